"""Decides which problems keep clients away from an edge, and which it serves in spite of. Pure.

An edge that has once read its log has state that clients can be given, and no other edge is better off when Kafka or a
topic is lost. If it were not ready then, a load balancer would take away all edges at once.
"""

from collections.abc import Mapping

from touchline_server.control.backend import Readiness

EDGE = "edge"
"""The subject of what concerns the edge itself."""
CONNECTIONS = "connections_max"
"""The subject of an edge that is full."""
PLAYERS = "verdicts.players_max"
"""The subject of an edge that has forgotten verdicts."""
STARTING = "it accepts no clients before it has read the log"
DRAINING = "it is draining: its clients go elsewhere"

BLOCKING = frozenset({EDGE, "auth.jwks"})
"""Subjects of problems with which an edge can serve nobody: that it drains, or that it has no key for any token."""


def judge(problems: Mapping[str, str], lowered: Mapping[str, str], *, accepting: bool, draining: bool) -> Readiness:
    """Sort problems by whether they keep clients away. ``accepting``: the edge has begun to accept clients.

    ``lowered`` limits are passed on: the server works as it should, with less than was asked for.
    """
    blocking = {what: why for what, why in problems.items() if not accepting or what in BLOCKING}
    degraded = {what: why for what, why in problems.items() if what not in blocking}
    if draining:
        blocking[EDGE] = DRAINING
    elif not accepting:
        blocking[EDGE] = STARTING
    return Readiness(blocking, degraded, lowered)
