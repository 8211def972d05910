"""How connections ended, what happened that may have ended them, and which codes each cause explains. Pure.

The table is the specification's, "Closes". A run's driver notes everything that it does or lets happen, and a close
that nothing explains is a breach.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

CauseKind: TypeAlias = Literal[
    "client_left",
    "connection_cut",
    "edge_drained",
    "edge_killed",
    "edge_stalled",
    "edge_full",
    "too_many_connections",
    "banned",
    "token_expired",
    "token_rejected",
    "client_slow",
    "records_deleted",
    "protocol_broken",
    "too_many_messages",
    "session_replaced",
    "log_unavailable",
    "not_permitted",
]


class Cause(NamedTuple):
    """Something that may end connections, from ``at_ms`` to ``end_ms``; None for a moment.

    ``client``, ``player`` and ``edge`` say whose; those that are empty do not restrict it.
    """

    kind: CauseKind
    at_ms: float
    end_ms: float | None = None
    client: str = ""
    player: str = ""
    edge: str = ""


class Close(NamedTuple):
    """The end of a connection as its client saw it.

    ``code`` is the close code; the HTTP status if the handshake was refused; and 1006 if the connection was lost
    without a close frame, could not be made, or was given up because nothing arrived. ``error`` is the code of the
    ``error`` that came last before it. ``sent_away``: the server had asked the client to leave by
    then.
    """

    client: str
    code: int
    at_ms: float
    edge: str = ""
    player: str = ""
    error: str = ""
    sent_away: bool = False


class Opening(NamedTuple):
    """The beginning of a connection: the server said welcome. ``edge`` is empty for an event stream."""

    client: str
    at_ms: float
    edge: str = ""


CODES: Mapping[CauseKind, frozenset[int]] = {
    # The server answers a close with the same code; the browser's own codes are 1001 and 1005.
    "client_left": frozenset({1000, 1001, 1005, 1006}),
    "connection_cut": frozenset({1006}),
    # A client that follows `goaway` closes with 1000; one that comes back too early finds nobody, or a proxy's answer.
    "edge_drained": frozenset({1000, 1001, 1006, 502, 503, 504}),
    "edge_killed": frozenset({1006, 502, 503, 504}),
    "edge_stalled": frozenset({1006, 4001, 502, 503, 504}),
    "edge_full": frozenset({503, 1006}),
    "too_many_connections": frozenset({4004, 429, 1006}),
    "banned": frozenset({4503}),
    "token_expired": frozenset({4002, 4502, 401}),
    "token_rejected": frozenset({4003, 4502, 401}),
    # A full socket takes no close frame.
    "client_slow": frozenset({4000, 1006}),
    "records_deleted": frozenset({4000}),
    "protocol_broken": frozenset({1002, 1003, 1007, 1009, 4001, 4500, 400, 426}),
    "too_many_messages": frozenset({4501, 4505, 4506, 4507}),
    "session_replaced": frozenset({4504}),
    "log_unavailable": frozenset(),
    "not_permitted": frozenset({403}),
}
"""The close codes, and the HTTP statuses of handshakes, that each cause explains. Nothing explains 1011."""

REFUSALS: Mapping[CauseKind, frozenset[str]] = {
    "edge_drained": frozenset({"unavailable"}),
    "edge_killed": frozenset({"unavailable"}),
    "edge_stalled": frozenset({"unavailable"}),
    "edge_full": frozenset({"unavailable"}),
    "log_unavailable": frozenset({"unavailable"}),
    "not_permitted": frozenset({"forbidden", "unavailable"}),
    "token_expired": frozenset({"forbidden"}),
    "too_many_messages": frozenset({"too_many_subscribes", "too_many_rooms", "too_many_refreshes"}),
    "protocol_broken": frozenset({"bad_message", "bad_room", "unknown_feed", "already_subscribed", "not_subscribed"}),
}
"""The error codes that refuse a room, and that each cause explains."""

DELAYS: frozenset[CauseKind] = frozenset({"edge_stalled", "log_unavailable", "client_slow"})
"""The causes that keep events from clients whose connections hold."""
