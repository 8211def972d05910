"""An `Access` for tests of the core. By default everybody may watch, and tokens are not verified."""

from typing import Any

from touchline_server.core.players.access import Access
from touchline_server.core.players.action_queue import ActionLimits, ActionQueue, Check
from touchline_server.core.players.grants import Verify
from touchline_server.core.players.rate_limiter import RateLimiter
from touchline_server.core.players.verdicts import Verdicts

LIMITS = ActionLimits(edge="e", data_bytes_max=100, actions_window=8, waiting_max=16, retry_ms=500)


def make_access(
    *,
    verify: Verify | None = None,
    token_required: bool = False,
    limits: ActionLimits = LIMITS,
    check: Check = lambda _feed, _kind, _data: None,
    per_second_max: float = 10.0,
    burst: int = 1000,
    connections_max: int = 1000,
    is_shared: bool = False,
) -> Access[Any]:
    """Create an access that accepts actions for the feeds ``score`` and ``match``."""
    verdicts = Verdicts(1000)
    limiter = RateLimiter(per_second_max=per_second_max, burst=burst, is_shared=is_shared)
    actions: ActionQueue[Any] = ActionQueue(limiter, verdicts, {"score", "match"}, limits, check)
    return Access(
        verify,
        verdicts,
        limiter,
        actions,
        token_required=token_required,
        connections_max=connections_max,
        is_shared=is_shared,
    )
