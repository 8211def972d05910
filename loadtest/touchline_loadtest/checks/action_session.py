"""One player's action session on one connection: numbers its actions, and checks the server's answers.

It never sends an action twice, so on a connection that holds, the server must acknowledge every one of them. Any other
answer is a finding.
"""

import msgspec

from touchline_loadtest.wire.event_values import event_value
from touchline_loadtest.wire.frames import masked


class _Answer(msgspec.Struct):
    """The fields of a server message that are needed to check it; the decoder skips all others."""

    type: str
    id: int = 0
    session: str = ""


_DECODER = msgspec.json.Decoder(_Answer)

HARMLESS = frozenset({"beat", "verdict"})
"""Message types that answer no action. A verdict that has consequences is followed by a close or by nacks."""


class ActionSession:
    """The actions of one session, in one room.

    ``session`` is empty until the server has named it. ``latencies_ns`` are the times from an action to its ack.
    """

    __slots__ = (
        "_data_bytes",
        "_head",
        "_waiting_ns",
        "acked",
        "kind",
        "latencies_ns",
        "player",
        "room",
        "sent",
        "session",
        "unexpected",
    )

    def __init__(self, player: str, room: str, data_bytes: int) -> None:
        self.player = player
        self.room = room
        self.kind = "tap"
        self.session = ""
        self.sent = 0
        self.acked = 0
        self.latencies_ns: list[int] = []
        self.unexpected: list[str] = []
        self._data_bytes = data_bytes
        self._head = b'"room":"%s","kind":"%s","data":' % (room.encode(), self.kind.encode())
        self._waiting_ns: dict[int, int] = {}

    @property
    def unacked(self) -> int:
        """The number of actions without an answer."""
        return len(self._waiting_ns)

    def next_action(self, now_ns: int) -> bytes:
        """The frame of the next action, sent at ``now_ns`` of the monotonic clock."""
        self.sent += 1
        self._waiting_ns[self.sent] = now_ns
        data = event_value(now_ns, self._data_bytes)
        return masked(b'{"type":"action","id":%d,%s%s}' % (self.sent, self._head, data))

    def receive(self, payload: bytes, now_ns: int) -> None:
        """Check a message that arrived at ``now_ns``."""
        answer = _DECODER.decode(payload)
        if answer.type == "ack" and answer.id in self._waiting_ns:
            self.latencies_ns.append(now_ns - self._waiting_ns.pop(answer.id))
            self.acked += 1
        elif answer.type == "welcome" and not self.session:
            self.session = answer.session
        elif answer.type not in HARMLESS:
            self.unexpected.append(payload.decode(errors="replace")[:200])
