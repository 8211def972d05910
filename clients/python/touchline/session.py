"""A client's session: when to connect, what to say, what the server's messages mean, and when to try again.

    state        what happens                        next
    CONNECTING   the WebSocket is open               GREETING     hello is said
    CONNECTING   it failed                           WAITING      the wait grows
    CONNECTING   it failed and would again           CLOSED       `failure` says why
    GREETING     welcome                             OPEN         every room is asked for from its cursor
    GREETING     goaway, silence, lost connection    WAITING
    OPEN         goaway                              LEAVING      still served, until its time to leave has come
    OPEN         silence, a lost connection          WAITING
    LEAVING      its time has come                   CONNECTING   to any edge
    LEAVING      goaway                              LEAVING      the newest counts
    LEAVING      silence, a lost connection          WAITING      until that time
    WAITING      its time has come                   CONNECTING
    any of them  a close or error that says give up  CLOSED       `failure` says why
    any of them  the user closes                     CLOSED

Handed payloads of WebSocket messages and times; hands back payloads to send (`take_output`), what happened to each room
(`take_items`) and when to look again (`deadline`). What to do about a code is `touchline_protocol.codes`' to say.

Rules:

1. The driver obeys ``state``: in CONNECTING it opens a WebSocket and says `connected` or `connect_failed`; in the
   states of CONNECTED it sends the output and hands in what comes; when the session leaves them, it closes the
   WebSocket. What an abandoned connection still says is not handed in.
2. Items are taken after every `receive`; where ``stirred`` is true after it, and after every other call, output, state
   and deadline are looked at again.
3. While the driver does not read, it says so (`pause`, `resume`): then silence means nothing.
4. No loop, no socket, no clock, no randomness of its own: times are seconds on any clock that never goes back.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import TypeVar

from touchline_protocol import messages
from touchline_protocol.codecs import Codec
from touchline_protocol.codes import CLOSES, ERRORS, UNKNOWN_TYPE, Recovery, recovery_of_close
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import BadMessage
from touchline_protocol.limits import CLIENT_MESSAGE_BYTES_MAX, ROOMS_PER_SUBSCRIBE_MAX
from touchline_protocol.messages import Deliver, Hello, RoomRequest, ServerMessage, Subscribe, Unsubscribe

from .backoff import Backoff
from .errors import AlreadySubscribed, ConnectionFailed, ConnectionRefused, ProtocolViolated, Unreachable
from .items import Item
from .room import Phase, Room, Turn

Thing = TypeVar("Thing")

HEARTBEATS_MISSED_MAX = 2
"""Silence of so many heartbeats means that the connection is dead: one may be late by a network's hiccup."""

WELCOME_S_MAX = 10.0
"""From the open WebSocket to its welcome. Servers answer at once; a dead link does not at all."""

STABLE_S = 5.0
"""A connection that held for so long was a success: the next wait is a short one again."""

GOAWAY_S_MAX = 300.0
"""The longest that a goaway is obeyed: no drain takes longer, and a mistake must not keep clients away for days."""


class State(Enum):
    """Where a session is; see the table above."""

    CONNECTING = auto()
    GREETING = auto()
    OPEN = auto()
    LEAVING = auto()
    WAITING = auto()
    CLOSED = auto()


class Input(Enum):
    """What can happen to a session."""

    CONNECTED = auto()
    WELCOME = auto()
    GOAWAY = auto()
    LOST = auto()
    DUE = auto()
    GIVE_UP = auto()
    CLOSE = auto()


CONNECTED = frozenset({State.GREETING, State.OPEN, State.LEAVING})
"""A WebSocket is in use."""

SERVED = frozenset({State.OPEN, State.LEAVING})
"""The server takes subscribes."""

TRANSITIONS: dict[tuple[State, Input], State] = (
    {
        (State.CONNECTING, Input.CONNECTED): State.GREETING,
        (State.CONNECTING, Input.LOST): State.WAITING,
        (State.GREETING, Input.WELCOME): State.OPEN,
        (State.GREETING, Input.GOAWAY): State.WAITING,
        (State.GREETING, Input.LOST): State.WAITING,
        (State.OPEN, Input.GOAWAY): State.LEAVING,
        (State.OPEN, Input.LOST): State.WAITING,
        (State.LEAVING, Input.GOAWAY): State.LEAVING,
        (State.LEAVING, Input.LOST): State.WAITING,
        (State.LEAVING, Input.DUE): State.CONNECTING,
        (State.WAITING, Input.DUE): State.CONNECTING,
    }
    | {(state, Input.GIVE_UP): State.CLOSED for state in State}
    | {(state, Input.CLOSE): State.CLOSED for state in State}
)


class Session:
    """One client. ``random`` returns numbers from 0 to 1; ``retry_first`` keeps trying to make the first connection.

    ``failure`` is why it is CLOSED, None where the user closed it. ``trouble`` says in words why it is WAITING.
    ``stirred``: there may be something to send, or another state or deadline, since the output was taken last.
    """

    def __init__(
        self, codec: Codec, *, agent: str | None, backoff: Backoff, random: Callable[[], float], retry_first: bool
    ) -> None:
        self.codec = codec
        self.state = State.CONNECTING
        self.failure: ConnectionFailed | None = None
        self.trouble = ""
        self.stirred = False
        self.welcome: messages.Welcome | None = None
        self.rooms: dict[str, Room] = {}
        self._agent = agent
        self._backoff = backoff
        self._random = random
        self._retry = retry_first
        self._attempts = 0
        self._reconnect_at = 0.0
        self._opened_at: float | None = None
        self._heard_at = 0.0
        self._paused = False
        self._request_id = 0
        self._output: list[bytes] = []
        self._left: list[str] = []
        self._items: list[tuple[Room, Item]] = []

    # What the user wants.

    def subscribe(self, name: str, *, after: Cursor | None = None, last: int = 0, deliver: Deliver = "all") -> Room:
        """Follow a room; it is asked for as soon as there is a connection.

        Raises:
            AlreadySubscribed: it is followed already.
        """
        if name in self.rooms:
            raise AlreadySubscribed(f"{name} is subscribed to already: close that subscription first")
        room = self.rooms[name] = Room(name, after=after, last=last, deliver=deliver)
        return room

    def unsubscribe(self, room: Room) -> None:
        """Leave a room; one that is over already is left in peace."""
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            if room.on_server:
                self._left.append(room.name)
            room.move(Turn.LEFT)

    def close(self) -> None:
        """The user is done."""
        self._move(Input.CLOSE)

    # What the connection says.

    def connected(self, now_s: float) -> None:
        """The WebSocket is open."""
        self._move(Input.CONNECTED)
        self._heard_at = now_s
        self._opened_at = None
        self._paused = False
        self._send(Hello(agent=self._agent))

    def connect_failed(self, now_s: float, failure: ConnectionFailed) -> None:
        """No WebSocket could be opened; only `Unreachable` is worth another try."""
        if not isinstance(failure, Unreachable):
            self._give_up(failure)
        elif self.state is State.CONNECTING:
            self._lose(now_s, str(failure))

    def disconnected(self, now_s: float, code: int, reason: str) -> None:
        """The WebSocket was closed with ``code``; 1006 where it was lost without a close frame."""
        if self.state not in CONNECTED:
            return
        name = CLOSES[code].name if code in CLOSES else "unknown"
        text = f"the connection was closed with {code} {name}" + (f": {reason}" if reason else "")
        if recovery_of_close(code) is Recovery.GIVE_UP:
            meaning = f" ({CLOSES[code].meaning})" if code in CLOSES else ""
            self._give_up(ConnectionRefused(code, text + meaning))
        else:
            self._lose(now_s, text)

    def receive(self, payload: bytes, now_s: float) -> None:
        """Take one message of the server's."""
        if self.state not in CONNECTED:
            return
        self._heard_at = now_s
        try:
            message = self.codec.decode_server(payload)
        except BadMessage as error:
            if error.code != UNKNOWN_TYPE.code:  # an unknown type is from a newer server, and none of our business
                self._give_up(ProtocolViolated(f"the server sent something unreadable: {error}"))
            return
        self._take(message, now_s)

    def pause(self) -> None:
        """The driver stops reading: the user is slower than the server."""
        self._paused = True

    def resume(self, now_s: float) -> None:
        """The driver reads again."""
        self._paused = False
        self._heard_at = now_s

    # When to do what.

    @property
    def deadline(self) -> float | None:
        """When to call `tick`, None where there is nothing to wait for."""
        if self.state is State.WAITING:
            return self._reconnect_at
        times = [room.retry_at for room in self.rooms.values() if room.phase is Phase.RESTING]
        if self.state is State.LEAVING:
            times.append(self._reconnect_at)
        silent_at = self._silent_at()
        if silent_at is not None:
            times.append(silent_at)
        return min(times, default=None)

    def tick(self, now_s: float) -> None:
        """Do what is due; too early is no harm."""
        silent_at = self._silent_at()
        if self.state in (State.WAITING, State.LEAVING) and now_s >= self._reconnect_at:
            self._hang_up(now_s, Input.DUE)
        elif silent_at is not None and now_s >= silent_at:
            self._lose(now_s, f"the server was silent for {now_s - self._heard_at:.1f} s")
        for room in self.rooms.values():
            if room.phase is Phase.RESTING and now_s >= room.retry_at:
                room.move(Turn.DUE)

    # What to do.

    def take_output(self) -> list[bytes]:
        """The payloads to send now, each as one message."""
        self.stirred = False
        if self.state in SERVED:
            # Leaving goes first: a room left and wanted again is to be joined in the end.
            left, self._left = self._left, []
            for rooms in _slices(left):
                self._send_unsubscribe(rooms)
            wanted = [room for room in self.rooms.values() if room.phase is Phase.WANTED]
            for some in _slices(wanted):
                self._send_subscribe(some)
        output, self._output = self._output, []
        return output

    def take_items(self) -> list[tuple[Room, Item]]:
        """What happened to the rooms, in order."""
        items, self._items = self._items, []
        return items

    # Within.

    def _take(self, message: ServerMessage, now_s: float) -> None:
        match message:
            case messages.Event():
                self._tell(message.room, lambda room: room.event(message))
            case messages.Skipped():
                self._tell(message.room, lambda room: room.skipped(message))
            case messages.Subscribed():
                self._tell(message.room, lambda room: room.subscribed(message))
            case messages.Welcome() if self.state is State.GREETING:
                self._move(Input.WELCOME)
                self.welcome = message
                self._retry = True
                self._opened_at = now_s
            case messages.Goaway():
                self._send_away(message, now_s)
            case messages.Error():
                self._refused(message, now_s)

    def _tell(self, name: str, said: Callable[[Room], list[Item]]) -> None:
        room = self.rooms.get(name)
        if room is None or self.state not in SERVED:
            return
        was_on_server = room.on_server
        self._items.extend((room, item) for item in said(room))
        if was_on_server and room.phase is Phase.WANTED:  # after a gap
            self._left.append(name)
            self.stirred = True

    def _refused(self, error: messages.Error, now_s: float) -> None:
        """An error answers the rooms that were asked for under its id; one without room and id concerns everything."""
        known = ERRORS.get(error.code)
        gives_up = known is None or known.recovery is Recovery.GIVE_UP
        if error.room is None and error.id is None:
            if known is not None and gives_up:
                self._give_up(ConnectionRefused(error.code, f"the server refused: {error.message} ({error.code})"))
            return
        self.stirred = True  # the deadline may be an earlier one
        for room in list(self.rooms.values()):
            if not room.on_server or room.request_id != error.id or error.room not in (None, room.name):
                continue
            retry_at = None if gives_up else now_s + self._backoff.delay_s(room.retries, self._random())
            self._items.extend((room, item) for item in room.refused(error, retry_at=retry_at))
            if room.phase is Phase.OVER:
                del self.rooms[room.name]

    def _send_away(self, message: messages.Goaway, now_s: float) -> None:
        self._reconnect_at = now_s + min(max(message.reconnect_ms, 0) / 1000, GOAWAY_S_MAX)
        self.trouble = f"the edge sent us away: {message.reason}"
        if self.state in SERVED:
            self._move(Input.GOAWAY)
        else:
            self._hang_up(now_s, Input.GOAWAY)

    def _lose(self, now_s: float, trouble: str) -> None:
        """Connect again after a while; before the first welcome that is the user's to decide."""
        if not self._retry:
            self._give_up(Unreachable(trouble))
            return
        self.trouble = trouble
        was_leaving = self.state is State.LEAVING
        self._hang_up(now_s, Input.LOST)
        if not was_leaving:  # else the goaway said when
            self._reconnect_at = now_s + self._backoff.delay_s(self._attempts, self._random())
            self._attempts += 1

    def _hang_up(self, now_s: float, why: Input) -> None:
        self._move(why)
        if self._opened_at is not None and now_s - self._opened_at >= STABLE_S:
            self._attempts = 0
        self._opened_at = None
        self._output.clear()
        self._left.clear()
        for room in self.rooms.values():
            room.move(Turn.LOST)

    def _give_up(self, failure: ConnectionFailed) -> None:
        if self.state is not State.CLOSED:
            self.failure = failure
            self._move(Input.GIVE_UP)

    def _move(self, happened: Input) -> None:
        self.state = TRANSITIONS[self.state, happened]
        self.stirred = True

    def _silent_at(self) -> float | None:
        """When the connection is to be taken for dead."""
        if self.state is State.GREETING:
            return self._heard_at + WELCOME_S_MAX
        if self.state not in SERVED or self._paused or self.welcome is None or self.welcome.heartbeat_ms <= 0:
            return None
        return self._heard_at + HEARTBEATS_MISSED_MAX * self.welcome.heartbeat_ms / 1000

    def _send(self, message: messages.ClientMessage) -> None:
        self._output.append(self.codec.encode(message))

    @property
    def _message_bytes_max(self) -> int:
        return CLIENT_MESSAGE_BYTES_MAX if self.welcome is None else self.welcome.limits.message_bytes_max

    def _send_subscribe(self, rooms: Sequence[Room]) -> None:
        self._request_id += 1
        requests: list[RoomRequest] = [room.request() for room in rooms]
        payload = self.codec.encode(Subscribe(rooms=requests, id=self._request_id))
        if len(payload) > self._message_bytes_max and len(rooms) > 1:
            self._send_subscribe(rooms[: len(rooms) // 2])
            self._send_subscribe(rooms[len(rooms) // 2 :])
            return
        for room in rooms:
            room.sent(self._request_id)
        self._output.append(payload)

    def _send_unsubscribe(self, names: Sequence[str]) -> None:
        payload = self.codec.encode(Unsubscribe(rooms=list(names)))
        if len(payload) > self._message_bytes_max and len(names) > 1:
            self._send_unsubscribe(names[: len(names) // 2])
            self._send_unsubscribe(names[len(names) // 2 :])
            return
        self._output.append(payload)


def _slices(things: Sequence[Thing]) -> list[Sequence[Thing]]:
    return [things[start : start + ROOMS_PER_SUBSCRIBE_MAX] for start in range(0, len(things), ROOMS_PER_SUBSCRIBE_MAX)]
