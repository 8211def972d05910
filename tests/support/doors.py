"""A door for sessions in tests of the core: by default everybody may watch, and nobody is signed in."""

from touchline_server.core.access import Door
from touchline_server.core.action_queue import ActionLimits, Actions, Check
from touchline_server.core.grants import Verify
from touchline_server.core.players import Players
from touchline_server.core.verdicts import Verdicts

LIMITS = ActionLimits(edge="e", data_bytes_max=100, actions_window=8, waiting_max=16, retry_ms=500)


def a_door(
    *,
    verify: Verify | None = None,
    token_needed: bool = False,
    limits: ActionLimits = LIMITS,
    check: Check = lambda _feed, _kind, _data: None,
    per_second_max: float = 10.0,
    burst: int = 1000,
) -> Door:
    """A door whose actions go to the feeds ``score`` and ``match``."""
    players = Players(Verdicts(1000), per_second_max=per_second_max, burst=burst)
    return Door(verify, players, Actions(players, {"score", "match"}, limits, check), token_needed=token_needed)
