"""One client's observations: it hears every message in both directions, and reports times and findings. Pure.

The driver says when something happens (`connecting`, `arrived`, `closed`); the codec passes every message
(`sent`, `received`). Times are in seconds on a clock that never goes back, arrivals also in Unix nanoseconds.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from touchline.errors import ConnectionFailed, ConnectionRefused, Unreachable
from touchline_protocol import messages
from touchline_protocol.codes import ABNORMAL, BANNED, CLOSES, GOING_AWAY, HELLO_TIMEOUT, NORMAL
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import ClientMessage, ServerMessage

from . import rows
from .findings import (
    DUPLICATE,
    PHANTOM_ACK,
    STRAY_EVENT,
    UNEXPECTED_VERDICT,
    UNEXPLAINED_CLOSE,
    WRONG_JOIN,
    Finding,
    Measures,
)
from .latency import LatencyMeter
from .referee import Referee
from .room_check import Request, RoomCheck
from .surprises import Surprises


class Trace(Protocol):
    """What a client saw, for the checker."""

    def connected(self) -> None:
        """A connection begins."""

    def sent(self, message: ClientMessage) -> None:
        """The client sent this."""

    def received(self, message: ServerMessage) -> None:
        """The client received this."""

    def closed(self, code: int) -> None:
        """The connection ended; 1006 if it was lost without a close frame."""


class Shared(NamedTuple):
    """What the clients of one process share. ``unix_ms`` is the clock of the computer."""

    measures: Measures
    referee: Referee
    latency: LatencyMeter
    surprises: Surprises
    unix_ms: Callable[[], float]


EXCUSABLE = frozenset({NORMAL.code, GOING_AWAY.code, ABNORMAL.code, HELLO_TIMEOUT.code})
"""Close codes that a fault of the server can cause. The others say that somebody broke the protocol, or a rule."""


class Observer:
    """One client. ``closes_expected``: close codes that this user's behaviour explains. ``verdicts_expected``: so too.

    ``event_row`` is the row in which its live events are counted.
    """

    def __init__(
        self,
        client: str,
        shared: Shared,
        trace: Trace,
        *,
        event_row: str = rows.EVENT,
        closes_expected: frozenset[int] = frozenset(),
        verdicts_expected: bool = False,
    ) -> None:
        self.client = client
        self.banned = False
        self._shared = shared
        self._measures = shared.measures
        self._trace = trace
        self._event_row = event_row
        self._closes_expected = closes_expected
        self._verdicts_expected = verdicts_expected
        self._now_s = 0.0
        self._unix_ns = 0
        self._connecting_s: float | None = None
        self._resuming_s: float | None = None
        self._sent_away = False
        self._rooms: dict[str, RoomCheck] = {}
        self._requests: dict[tuple[int | None, str], Request] = {}
        self._pending_actions: set[int] = set()

    # What the driver says.

    def connecting(self, now_s: float) -> None:
        """An attempt to connect begins."""
        self._connecting_s = self._resuming_s = now_s

    def connect_failed(self, now_s: float, failure: ConnectionFailed) -> None:
        """The attempt failed."""
        ms, self._connecting_s = _ms(now_s, self._connecting_s), None
        self._requests.clear()
        code = f" {failure.code}" if isinstance(failure, ConnectionRefused) else ""
        text = f"{type(failure).__name__}{code}"

        def report() -> None:
            self._measures.failure(rows.CONNECT, ms, text)

        if isinstance(failure, Unreachable):
            self._shared.surprises.add(self._shared.unix_ms(), report)
        else:
            report()

    def connected(self, now_s: float) -> None:
        """The WebSocket is open."""
        self._now_s = now_s
        self._sent_away = False
        self._trace.connected()

    def served(self, now_s: float) -> None:
        """The server has said welcome, or begun to answer."""
        began_s, self._connecting_s = self._connecting_s, None
        if began_s is not None:
            self._measures.duration(rows.CONNECT, _ms(now_s, began_s))

    def arrived(self, now_s: float, unix_ns: int) -> None:
        """The messages that follow were read from the socket at this time."""
        self._now_s = now_s
        self._unix_ns = unix_ns

    def closed(self, code: int, *, by_us: bool) -> None:
        """The connection ended."""
        self._trace.closed(code)
        self._rooms.clear()
        self._requests.clear()
        self._pending_actions.clear()
        self._connecting_s = None
        if by_us or self._sent_away or code in self._closes_expected:
            return
        if code == BANNED.code and self.banned and self._verdicts_expected:
            return
        finding = Finding(UNEXPLAINED_CLOSE, f"{code} {CLOSES[code].name if code in CLOSES else 'unknown code'}")
        if code in EXCUSABLE:
            self._shared.surprises.add(self._shared.unix_ms(), lambda: self._find(finding))
        else:
            self._find(finding)

    # What the codec passes.

    def sent(self, message: ClientMessage) -> None:
        """The client sends a message."""
        self._trace.sent(message)
        match message:
            case messages.Subscribe():
                for room in message.rooms:
                    cursor = None if room.epoch is None or room.after is None else Cursor(room.epoch, room.after)
                    request = Request(cursor, room.deliver, self._now_s, self._resuming_s or self._now_s)
                    self._requests[message.id, room.room] = request
                self._resuming_s = None
            case messages.Action():
                self._pending_actions.add(message.id)

    def asking(self, now_s: float) -> None:
        """The messages that follow are sent now."""
        self._now_s = now_s

    def received(self, message: ServerMessage, size_bytes: int) -> None:
        """A message has arrived."""
        self._trace.received(message)
        if type(message) is messages.Event:
            self._event(message, size_bytes)
            return
        handle = _HANDLERS.get(type(message))
        if handle is not None:
            handle(self, message)

    # Inside.

    def _event(self, event: messages.Event, size_bytes: int) -> None:
        check = self._rooms.get(event.room)
        if check is None:
            self._find(Finding(STRAY_EVENT, "an event of a room that the client is not in", event.room, event.offset))
            return
        shared = self._shared
        finding = check.event(event)
        if finding is not None:
            self._find(finding)
            if finding.kind == DUPLICATE:
                return
        row = self._event_row if event.offset > check.live_from else rows.REPLAY
        self._measures.event(row, shared.latency.latency_ms(event, self._unix_ns), size_bytes)
        for wrong in shared.referee.event(event, check.epoch):
            self._find(wrong)

    def _welcome(self, _: messages.Welcome) -> None:
        self.served(self._now_s)

    def _unsubscribed(self, message: messages.Unsubscribed) -> None:
        self._rooms.pop(message.room, None)

    def _error(self, message: messages.Error) -> None:
        if message.room is not None:
            self._requests.pop((message.id, message.room), None)
            self._rooms.pop(message.room, None)

    def _goaway(self, _: messages.Goaway) -> None:
        self._sent_away = True

    def _nack(self, message: messages.Nack) -> None:
        if message.retry_ms is None:
            self._pending_actions.discard(message.id)

    def _subscribed(self, message: messages.Subscribed) -> None:
        check = self._rooms.get(message.room)
        request = self._requests.pop((message.id, message.room), None)
        if request is None and (message.id is not None or check is None):
            self._find(Finding(WRONG_JOIN, "an answer to a subscribe that was not sent", message.room, message.head))
            return
        if request is not None:
            check = self._rooms[message.room] = RoomCheck(request.deliver)
        assert check is not None  # noqa: S101 - one of the two is there
        for finding in check.join(message, None if request is None else request.cursor):
            self._find(finding)
        if request is None:
            self._measures.duration(rows.START_OVER, 0)
        elif message.recovered:
            self._measures.duration(rows.RETURN, _ms(self._now_s, request.resumes_at_s))
        else:
            self._measures.duration(rows.FIRST_STATE, _ms(self._now_s, request.sent_s))
            if request.cursor is not None:
                self._measures.duration(rows.START_OVER, _ms(self._now_s, request.resumes_at_s))
        if not message.recovered and (wrong := self._shared.referee.join(message)) is not None:
            self._find(wrong)

    def _skipped(self, message: messages.Skipped) -> None:
        check = self._rooms.get(message.room)
        finding = None if check is None else check.skipped(message)
        if finding is not None:
            self._find(finding)

    def _ack(self, message: messages.Ack) -> None:
        if message.id not in self._pending_actions:
            self._find(Finding(PHANTOM_ACK, "an acknowledgement of an action that is not pending"))
        self._pending_actions.discard(message.id)

    def _verdict(self, message: messages.Verdict) -> None:
        self.banned = message.kind == "ban"
        if not self._verdicts_expected and message.kind != "pardon":
            self._find(Finding(UNEXPECTED_VERDICT, f"{message.kind}: {message.reason}"))

    def _find(self, finding: Finding) -> None:
        self._measures.finding(self.client, finding)


def _ms(now_s: float, began_s: float | None) -> float:
    return 0.0 if began_s is None else (now_s - began_s) * 1000


_HANDLERS: Mapping[type, Callable[[Observer, Any], None]] = {
    messages.Subscribed: Observer._subscribed,
    messages.Unsubscribed: Observer._unsubscribed,
    messages.Skipped: Observer._skipped,
    messages.Welcome: Observer._welcome,
    messages.Ack: Observer._ack,
    messages.Nack: Observer._nack,
    messages.Error: Observer._error,
    messages.Goaway: Observer._goaway,
    messages.Verdict: Observer._verdict,
}
"""What is done about each type of message; the others say nothing that is observed."""
