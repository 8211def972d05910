"""What operators are told while the player store is away."""

from collections.abc import Mapping

from touchline_server.core.edge import EdgeCore
from touchline_server.edge.driver import Peer

SUBJECT = "players"
"""The subject of a player store that does not answer."""


def problems(core: EdgeCore[Peer]) -> Mapping[str, str]:
    """What is wrong with the player store now."""
    if core.arrivals is None or (why := core.arrivals.problem) is None:
        return {}
    return {SUBJECT: f"players' limits and sessions are those of this process alone: {why}"}
