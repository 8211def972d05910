"""One client's observations: it hears every message in both directions, and reports times and findings. Pure.

The driver says when something happens (`connecting`, `arrived`, `closed`); the codec passes every message
(`sent`, `received`). Times are in seconds on a clock that never goes back, arrivals also in Unix nanoseconds.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from touchline.errors import ConnectionFailed, ConnectionRefused, Unreachable
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import Cause, CauseKind, Close, Opening
from touchline_protocol import messages
from touchline_protocol.codes import ABNORMAL, BANNED, GOING_AWAY, HELLO_TIMEOUT, NORMAL
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import ClientMessage, ServerMessage

from . import rows
from .failures import close_text, connect_failure, refused_room
from .findings import (
    BEFORE_JOINED,
    NEVER_JOINED,
    NO_ACK,
    NO_WELCOME,
    PHANTOM_ACK,
    STALLED,
    UNEXPECTED_VERDICT,
    UNEXPLAINED_CLOSE,
    WRONG_JOIN,
    Recorder,
)
from .latency import NS_PER_MS
from .room_observer import Request, RoomObserver
from .shared import Shared
from .slowness import is_for_slowness

EXCUSABLE = frozenset({NORMAL.code, GOING_AWAY.code, ABNORMAL.code, HELLO_TIMEOUT.code})
"""Close codes that a fault of the server can cause. The others say that somebody broke the protocol, or a rule."""
ANSWER_S_MAX = 20.0
"""Seconds after which it counts as a failure that a server does not answer, or that events stay away. The slowest
answers of a healthy server take 5 at a kick-off on a busy machine: what takes four times as long is not coming."""


class Place(NamedTuple):
    """Where a client is in a room: it has been there since ``joined_s``, and has everything up to ``covered``.

    ``newest`` is the offset of the last event that arrived, -1 if none did.
    """

    room: str
    epoch: str
    covered: int
    newest: int
    joined_s: float


class Observer:
    """One client of the server at ``address``. ``event_row`` is the row in which its live events are counted.

    ``slow_reader``: the user reads slowly, which explains that its connections end for it. ``verdicts_expected`` and
    ``restarts_expected``: whether verdicts, and rooms that start over, are explained too. ``answer_s_max``: how long
    the client waits for an answer, or for events that others have, before it reports a failure.
    """

    def __init__(
        self,
        client: str,
        shared: Shared,
        recorder: Recorder,
        *,
        address: str,
        event_row: str = rows.EVENT,
        slow_reader: bool = False,
        verdicts_expected: bool = False,
        restarts_expected: bool = False,
        answer_s_max: float = ANSWER_S_MAX,
    ) -> None:
        self.client = client
        self.answer_s_max = answer_s_max
        self.banned = False
        self._shared = shared
        self._measures = shared.measures
        self._recorder = recorder
        self._address = address
        self._event_row = event_row
        self._slow_reader = slow_reader
        self._lag_ms = 0.0
        self._verdicts_expected = verdicts_expected
        self._restarts_expected = restarts_expected
        self._now_s = 0.0
        self._unix_ns = 0
        self._connecting_s: float | None = None
        self._resuming_s: float | None = None
        self._connected_ms: float | None = None
        self._greeting_s: float | None = None
        self._acting_s = 0.0
        self._away_from_ms: float | None = None  # since when the server has wanted it to be elsewhere
        self._edge = self._player = self._error = ""
        self._rooms: dict[str, RoomObserver] = {}
        self._requests: dict[tuple[int | None, str], Request] = {}
        self._pending_actions: set[int] = set()

    # What the driver says.

    def connecting(self, now_s: float) -> None:
        """An attempt to connect begins."""
        self._connecting_s = self._resuming_s = now_s

    def connect_failed(self, now_s: float, failure: ConnectionFailed) -> None:
        """The attempt failed."""
        ms, self._connecting_s = _ms(now_s, self._connecting_s), None
        self._forget_requests()
        code = failure.code if isinstance(failure, ConnectionRefused) else ABNORMAL.code
        text = connect_failure(self._address, failure)
        if isinstance(code, int):
            self._recorder.closed(Close(self.client, code, self._shared.unix_ms()))

        def report() -> None:
            self._measures.failure(rows.CONNECT, ms, text)

        if isinstance(failure, Unreachable):
            self._shared.surprises.add(self._shared.unix_ms(), report)
        else:
            report()

    def connected(self, now_s: float) -> None:
        """The WebSocket is open."""
        self._now_s = self._greeting_s = now_s
        self._away_from_ms = None
        self._lag_ms = 0.0
        self._error = ""

    def served(self, now_s: float) -> None:
        """The server has said welcome, or begun to answer."""
        began_s, self._connecting_s = self._connecting_s, None
        self._greeting_s = None
        if began_s is not None:
            self._measures.duration(rows.CONNECT, _ms(now_s, began_s))
        self._connected_ms = self._shared.unix_ms()
        self._recorder.opened(Opening(self.client, self._connected_ms, self._edge))
        self._measures.connections(1)

    def arrived(self, now_s: float, unix_ns: int) -> None:
        """The messages that follow were read from the socket at this time."""
        self._now_s = now_s
        self._unix_ns = unix_ns

    def closed(self, code: int, *, by_us: bool, silent: bool = False) -> None:
        """The connection ended. ``silent``: the client gave it up, since nothing arrived or could be sent."""
        slow = self._slow_reader and self._connected_ms is not None
        too_slow = slow and is_for_slowness(code, self._lag_ms, silent=silent)
        self._record_close(code, by_us=by_us, too_slow=too_slow)
        for room in self._rooms.values():
            if by_us and code == NORMAL.code:
                room.leave(prompt=not self._slow_reader)
            room.left()
        self._requests.clear()
        self._pending_actions.clear()
        was_greeting, self._greeting_s, self._connecting_s = self._greeting_s is not None, None, None
        if by_us or self._away_from_ms is not None or too_slow:
            return
        if code == BANNED.code and self.banned and self._verdicts_expected:
            return
        cause = close_text(code)
        kind = NO_WELCOME if was_greeting and code == ABNORMAL.code else UNEXPLAINED_CLOSE
        breach = Breach(kind, self.client, cause, at_ms=self._shared.unix_ms())
        if code in EXCUSABLE:
            self._shared.surprises.add(self._shared.unix_ms(), lambda: self._measures.breach(breach, cause))
        else:
            self._measures.breach(breach, cause)

    # What does not happen.

    def report_overdue(self, now_s: float) -> bool:
        """Report, once, each answer that the client has waited for too long; returns whether there was one."""
        found = False
        if self._is_overdue(self._greeting_s, now_s):
            self._greeting_s, found = None, True
            self._absent(NO_WELCOME)
        for name, room in self._rooms.items():
            if not room.is_overdue and self._is_overdue(room.asked_s, now_s):
                room.is_overdue = found = True
                self._absent(NEVER_JOINED, name)
        if self._pending_actions and self._is_overdue(self._acting_s, now_s):
            self._pending_actions.clear()
            found = True
            self._absent(NO_ACK)
        return found

    def places(self) -> Iterator[Place]:
        """Where the client is, in the rooms that it is in."""
        for name, room in self._rooms.items():
            if room.joined and not room.stale:
                yield Place(name, room.epoch, room.covered, room.newest, room.joined_s)

    def is_behind(self, place: Place, newest: int, now_s: float) -> bool:
        """Whether it is a fault that events up to ``newest``, which others had received in time, have not arrived."""
        return not self._slow_reader and place.covered < newest and self._is_overdue(place.joined_s, now_s)

    def report_stalled(self, place: Place, newest: int) -> None:
        """Report that the client does not receive what others do."""
        self._absent(STALLED, place.room, newest)

    # What the codec passes.

    def sent(self, message: ClientMessage) -> None:
        """The client sends a message."""
        match message:
            case messages.Subscribe():
                for request in message.rooms:
                    self._request(request, message.id)
                self._resuming_s = None
            case messages.Unsubscribe():
                for name in message.rooms:
                    if name in self._rooms:
                        self._rooms[name].leave(prompt=not self._slow_reader)
            case messages.Action():
                if not self._pending_actions:
                    self._acting_s = self._now_s
                self._pending_actions.add(message.id)

    def asking(self, now_s: float) -> None:
        """The messages that follow are sent now."""
        self._now_s = now_s

    def received(self, message: ServerMessage, size_bytes: int) -> None:
        """A message has arrived."""
        if type(message) is messages.Event:
            self._event(message, size_bytes)
            return
        handle = _HANDLERS.get(type(message))
        if handle is not None:
            handle(self, message)

    # Inside.

    def _record_close(self, code: int, *, by_us: bool, too_slow: bool) -> None:
        """Record the end of a connection, and what this user has to do with it."""
        now_ms, began_ms = self._shared.unix_ms(), self._connected_ms
        self._connected_ms = None
        if began_ms is None:
            began_ms = now_ms
        else:
            self._measures.connections(-1)
        # A visit that ends while the client waits for its turn to reconnect is over for another reason.
        away_from_ms = self._away_from_ms
        sent_away = away_from_ms is not None and (not by_us or now_ms >= away_from_ms)
        self._recorder.closed(Close(self.client, code, now_ms, self._edge, self._player, self._error, sent_away))
        if by_us:
            kind: CauseKind = "client_left" if code == NORMAL.code else "connection_cut"
            self._recorder.cause(Cause(kind, now_ms, None, self.client))
        elif too_slow:
            self._recorder.cause(Cause("client_slow", began_ms, now_ms, self.client))

    def _request(self, request: messages.RoomRequest, request_id: int | None) -> None:
        """A room is asked for."""
        cursor = None if request.epoch is None or request.after is None else Cursor(request.epoch, request.after)
        room = self._rooms.get(request.room)
        if room is None or cursor is None:
            trace = self._recorder.trace(request.room, request.deliver or "all")
            before = room
            room = RoomObserver(trace, self._shared, after=cursor, restarts=self._restarts_expected)
            if before is not None:
                room.asked_s, room.is_overdue = before.asked_s, before.is_overdue
            self._rooms[request.room] = room
        room.requested(cursor, self._now_s, prompt=not self._slow_reader)
        self._requests[request_id, request.room] = Request(cursor, self._now_s, self._resuming_s or self._now_s)

    def _event(self, event: messages.Event, size_bytes: int) -> None:
        room = self._rooms.get(event.room)
        if room is not None and room.stale:
            return
        if room is None or not room.joined:
            self._breach(BEFORE_JOINED, "an event of a room that the client is not in", event.room, event.offset)
            return
        breach = room.event(event)
        if breach is not None:
            self._measures.breach(breach)
            return
        shared = self._shared
        row = self._event_row if event.offset > room.live_from else rows.REPLAY
        latency_ms = shared.latency.latency_ms(event, self._unix_ns)
        self._measures.event(row, latency_ms, size_bytes)
        if self._slow_reader and self._connected_ms is not None:  # what it missed while away does not make it late
            self._lag_ms = min(latency_ms, self._unix_ns / NS_PER_MS - self._connected_ms)
        if (wrong := shared.referee.event(event, room.epoch)) is not None:
            self._breach(*wrong)

    def _welcome(self, message: messages.Welcome) -> None:
        self._edge, self._player = message.edge, message.player or ""
        self.served(self._now_s)

    def _unsubscribed(self, message: messages.Unsubscribed) -> None:
        room = self._rooms.get(message.room)
        if room is not None and not any(name == message.room for _, name in self._requests):
            room.left()

    def _refused(self, message: messages.Error) -> None:
        self._error = message.code
        if message.room is not None:
            room = self._rooms.get(message.room)
            if room is not None and (breach := room.refused(message)) is not None:
                self._measures.breach(breach, refused_room(message.room, message.code))
            self._requests.pop((message.id, message.room), None)

    def _goaway(self, message: messages.Goaway) -> None:
        self._away_from_ms = self._shared.unix_ms() + message.reconnect_ms

    def _nack(self, message: messages.Nack) -> None:
        self._acting_s = self._now_s
        if message.retry_ms is None:
            self._pending_actions.discard(message.id)

    def _subscribed(self, message: messages.Subscribed) -> None:
        room = self._rooms.get(message.room)
        request = self._requests.pop((message.id, message.room), None)
        if room is None or (request is None and (message.id is not None or not room.joined)):
            self._breach(WRONG_JOIN, "an answer to a subscribe that was not sent", message.room, message.head)
            return
        breach = room.subscribed(message, self._now_s)
        if breach is not None:
            self._measures.breach(breach)
        self._time_join(message, request)
        if not message.recovered and (wrong := self._shared.referee.join(message)) is not None:
            self._breach(*wrong)

    def _time_join(self, message: messages.Subscribed, request: Request | None) -> None:
        if request is None:
            self._measures.duration(rows.START_OVER, 0)
        elif message.recovered:
            self._measures.duration(rows.RETURN, _ms(self._now_s, request.began_s))
        else:
            self._measures.duration(rows.FIRST_STATE, _ms(self._now_s, request.sent_s))
            if request.cursor is not None:
                self._measures.duration(rows.START_OVER, _ms(self._now_s, request.began_s))

    def _skipped(self, message: messages.Skipped) -> None:
        room = self._rooms.get(message.room)
        if room is not None and not room.stale and (breach := room.skipped(message)) is not None:
            self._measures.breach(breach)

    def _ack(self, message: messages.Ack) -> None:
        if message.id not in self._pending_actions:
            self._breach(PHANTOM_ACK, f"action {message.id}")
        self._acting_s = self._now_s
        self._pending_actions.discard(message.id)

    def _verdict(self, message: messages.Verdict) -> None:
        self.banned = message.kind == "ban"
        if not self._verdicts_expected and message.kind != "pardon":
            self._breach(UNEXPECTED_VERDICT, f"{message.kind}: {message.reason}")

    def _forget_requests(self) -> None:
        """The server was not reached, so it owes no answers."""
        self._requests.clear()
        self._greeting_s = None
        for room in self._rooms.values():
            room.asked_s = None

    def _is_overdue(self, since_s: float | None, now_s: float) -> bool:
        return since_s is not None and now_s - since_s > self.answer_s_max

    def _absent(self, kind: str, room: str = "", offset: int | None = None) -> None:
        """Something has not come within ``answer_s_max``. A fault of the server explains it."""
        began_ms = self._shared.unix_ms() - self.answer_s_max * 1000
        breach = Breach(kind, self.client, f"within {self.answer_s_max:g} s", room, offset, began_ms)
        self._shared.surprises.add(began_ms, lambda: self._measures.breach(breach))

    def _breach(self, kind: str, text: str, room: str = "", offset: int | None = None) -> None:
        self._measures.breach(Breach(kind, self.client, text, room, offset, self._shared.unix_ms()))


def _ms(now_s: float, began_s: float | None) -> float:
    return 0.0 if began_s is None else (now_s - began_s) * 1000


_HANDLERS: Mapping[type, Callable[[Observer, Any], None]] = {
    messages.Subscribed: Observer._subscribed,
    messages.Unsubscribed: Observer._unsubscribed,
    messages.Skipped: Observer._skipped,
    messages.Welcome: Observer._welcome,
    messages.Ack: Observer._ack,
    messages.Nack: Observer._nack,
    messages.Error: Observer._refused,
    messages.Goaway: Observer._goaway,
    messages.Verdict: Observer._verdict,
}
"""What is done about each type of message; the others say nothing that is observed."""
