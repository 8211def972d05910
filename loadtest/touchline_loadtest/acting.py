"""What one player does on one connection: actions with their numbers, and their answers.

Pure: payloads and times in, frames and findings out. It sends no action twice, so on a connection that holds every one
must be acknowledged: whatever else it is answered is a finding.
"""

import msgspec

from . import wire


class _Answer(msgspec.Struct):
    """The least of a server's message that a player has to know."""

    type: str
    id: int = 0
    session: str = ""


_DECODER = msgspec.json.Decoder(_Answer)

HARMLESS = frozenset({"beat", "verdict"})
"""Messages that answer no action. A verdict is followed by a close, or by nacks, if it means something."""


class Acting:
    """The actions of one session, in one room.

    ``session`` is empty until the server has said it. ``latencies_ns`` are the times from an action to its ack.
    """

    __slots__ = (
        "_data_bytes",
        "_head",
        "_waiting_ns",
        "acked",
        "latencies_ns",
        "player",
        "sent",
        "session",
        "unexpected",
    )

    def __init__(self, player: str, room: str, data_bytes: int) -> None:
        self.player = player
        self.session = ""
        self.sent = 0
        self.acked = 0
        self.latencies_ns: list[int] = []
        self.unexpected: list[str] = []
        self._data_bytes = data_bytes
        self._head = b'"room":"%s","kind":"tap","data":' % room.encode()
        self._waiting_ns: dict[int, int] = {}

    @property
    def unacked(self) -> int:
        """Actions without an answer."""
        return len(self._waiting_ns)

    def act(self, now_ns: int) -> bytes:
        """The frame of one more action, sent at ``now_ns`` of the monotonic clock."""
        return self.act_with(wire.event_value(now_ns, self._data_bytes), now_ns)

    def act_with(self, data: bytes, now_ns: int) -> bytes:
        """The same, with other data."""
        self.sent += 1
        self._waiting_ns[self.sent] = now_ns
        return wire.masked(b'{"type":"action","id":%d,%s%s}' % (self.sent, self._head, data))

    def take(self, payload: bytes, now_ns: int) -> None:
        """Take a message that came at ``now_ns``."""
        answer = _DECODER.decode(payload)
        if answer.type == "ack" and answer.id in self._waiting_ns:
            self.latencies_ns.append(now_ns - self._waiting_ns.pop(answer.id))
            self.acked += 1
        elif answer.type == "welcome" and not self.session:
            self.session = answer.session
        elif answer.type not in HARMLESS:
            self.unexpected.append(payload.decode(errors="replace")[:200])
