"""One client's session: when to connect, what to send, what the server's messages mean, and when to try again.

It is handed the payloads of WebSocket messages, and times. It hands back payloads to send (`take_output`), what
happened to each room (`take_items`), what became of actions (`take_outcomes`), and when to look again (`deadline`).
`touchline_protocol.codes` decides what to do about a code, and `states` has the table of the states.

Rules:

1. The driver obeys ``state``. In CONNECTING it opens a WebSocket and reports `connected` or `connect_failed`. In the
   states of CONNECTED it sends the output and hands in what it receives. Once the session has left those states, the
   driver closes the WebSocket and hands in nothing more from it.
2. The driver takes items and outcomes after every `receive`. If ``has_work`` is true after it, and after every other
   call, it looks at output, outcomes, state, deadline and ``token_due`` again. It calls `tick` before `take_output`.
3. While the driver does not read from the socket it says so (`pause`, `resume`): then silence means nothing.
4. While ``token_due`` is true, the driver gets a newer token and hands it in (`refresh`), or reports that it has none.
5. No event loop, socket, clock or randomness of its own: times are in seconds on any clock that never goes back.
"""

from collections.abc import Callable
from itertools import count

from touchline.errors import ConnectionFailed, ConnectionRefused, ProtocolViolated, Unreachable
from touchline_protocol import messages
from touchline_protocol.codecs import Codec
from touchline_protocol.codes import CLOSE_TOKEN_EXPIRED, ERRORS, UNKNOWN_TYPE, Recovery, recovery_of_close
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import BadMessage
from touchline_protocol.limits import CLIENT_MESSAGE_BYTES_MAX
from touchline_protocol.messages import Deliver, Hello, ServerMessage

from .close_text import describe_close
from .items import Item, Verdict
from .liveness import Liveness
from .outbox import Outbox
from .pending_action import Outcome, PendingAction
from .reconnect import Backoff, Reconnect
from .room import Room
from .room_set import RoomSet
from .states import CONNECTED, SERVED, TRANSITIONS, Input, State
from .token_refresh import TokenRefresh


class Session:
    """One client. ``random`` returns numbers from 0 to 1. ``retry_first`` retries the first connection too.

    ``can_renew_token``: the driver can get newer tokens. ``failure`` is why the session is CLOSED; None if the user
    closed it. ``trouble`` says in words why it is WAITING. ``verdict`` is the newest one about the player.
    ``has_work``: since the last `take_output` there may be something to send, or another state or deadline.
    """

    def __init__(
        self,
        codec: Codec,
        *,
        agent: str | None,
        backoff: Backoff,
        random: Callable[[], float],
        retry_first: bool,
        actions_max: int,
        can_renew_token: bool,
    ) -> None:
        self.codec = codec
        self.state = State.CONNECTING
        self.failure: ConnectionFailed | None = None
        self.trouble = ""
        self.has_work = False
        self.welcome: messages.Welcome | None = None
        self.verdict: Verdict | None = None
        self._agent = agent
        self._retry = retry_first
        self._now_s = 0.0
        self._last_error = ""
        self._request_ids = count(1)
        self._random = random
        self._reconnect = Reconnect(backoff, random)
        self._liveness = Liveness()
        self._rooms = RoomSet(codec, self._request_ids, self._reconnect.delay_s)
        self._outbox = Outbox(codec, actions_max)
        self._token = TokenRefresh(can_renew=can_renew_token)
        self._output: list[bytes] = []

    # What the user wants.

    @property
    def rooms(self) -> dict[str, Room]:
        """The rooms that the client follows, by name."""
        return self._rooms.by_name

    def subscribe(
        self,
        name: str,
        *,
        after: Cursor | None = None,
        last: int = 0,
        deliver: Deliver = "all",
        occupancy: bool = False,
        members: bool = False,
    ) -> Room:
        """Follow a room. The client asks for it as soon as there is a connection.

        Raises:
            AlreadySubscribed: the client follows it already.
        """
        return self._rooms.subscribe(
            name, after=after, last=last, deliver=deliver, occupancy=occupancy, members=members
        )

    def unsubscribe(self, room: Room) -> None:
        """Leave a room. If it is closed already, this does nothing."""
        self._rooms.unsubscribe(room)

    def act(self, room: str, kind: str, data: bytes, traceparent: str | None = None) -> PendingAction:
        """Act in a room, which the client need not follow; ``data`` is JSON. Sent as soon as possible.

        Raises:
            ActionRefused: the server would not take it.
            ActionsFull: too many actions are waiting for their answers.
        """
        return self._outbox.submit(room, kind, data, traceparent)

    def withdraw(self, action: PendingAction) -> None:
        """The outcome of an action no longer matters. If it was sent, it is done all the same."""
        self._outbox.withdraw(action)

    def close(self) -> None:
        """End the session for good."""
        self._move(Input.CLOSE)

    # What the connection says.

    def connected(self, now_s: float, token: str | None = None) -> None:
        """The WebSocket is open. ``token`` says who the client is."""
        self._move(Input.CONNECTED)
        self._now_s = now_s
        self._liveness.begin(now_s)
        self._last_error = ""
        self._send(Hello(token=token, session=self._outbox.session, agent=self._agent))

    def connect_failed(self, now_s: float, failure: ConnectionFailed) -> None:
        """No WebSocket could be opened. Only `Unreachable` is worth another attempt."""
        if not isinstance(failure, Unreachable):
            self._give_up(failure)
        elif self.state is State.CONNECTING:
            self._lose(now_s, failure)

    def disconnected(self, now_s: float, code: int, reason: str) -> None:
        """The WebSocket was closed with ``code``; 1006 if it was lost without a close frame."""
        if self.state not in CONNECTED:
            return
        no_newer_token = code == CLOSE_TOKEN_EXPIRED.code and not self._token.can_renew
        text = describe_close(code, reason, self._last_error, self.verdict, no_newer_token=no_newer_token)
        if no_newer_token or recovery_of_close(code) is Recovery.GIVE_UP:
            self._give_up(ConnectionRefused(code, text))
        else:
            self._lose(now_s, Unreachable(text))

    def receive(self, payload: bytes, now_s: float) -> None:
        """Handle one message from the server."""
        if self.state not in CONNECTED:
            return
        self._now_s = now_s
        self._liveness.hear(now_s)
        try:
            message = self.codec.decode_server(payload)
        except BadMessage as error:
            if error.code != UNKNOWN_TYPE.code:  # a newer server may send types that this client need not know
                self._give_up(ProtocolViolated(f"the server sent a message that cannot be read: {error}"))
            return
        self._handle(message, now_s)

    def refresh(self, token: str | None, now_s: float) -> None:
        """Hand in a newer token; None if there is none to be had."""
        request_id = None
        if token is not None and self.state in SERVED:
            request_id = next(self._request_ids)
            self._send(messages.Refresh(token=token, id=request_id))
        self._token.requested(now_s, request_id)

    def pause(self) -> None:
        """The driver stops reading, because the user is slower than the server."""
        self._liveness.pause()

    def resume(self, now_s: float) -> None:
        """The driver reads again."""
        self._liveness.resume(now_s)

    # When to do what.

    @property
    def reconnect_at(self) -> float | None:
        """When to open the next connection; None unless the session is waiting for it."""
        return self._reconnect.at if self.state is State.WAITING else None

    @property
    def token_due(self) -> bool:
        """Whether the driver should get a newer token."""
        return self._token.due

    @property
    def deadline(self) -> float | None:
        """When to call `tick`; None if there is nothing to wait for."""
        times = self._outbox.deadlines + self._rooms.deadlines
        if self.state in (State.WAITING, State.LEAVING):
            times.append(self._reconnect.at)
        times += [time for time in (self._silence_deadline(), self._token.deadline) if time is not None]
        return min(times, default=None)

    def tick(self, now_s: float) -> None:
        """Do what is due. Calling this too early does no harm."""
        self._now_s = now_s
        dead_at = self._silence_deadline()
        if self.state in (State.WAITING, State.LEAVING) and now_s >= self._reconnect.at:
            self._hang_up(now_s, Input.DUE)
        elif dead_at is not None and now_s >= dead_at:
            self._lose(now_s, Unreachable(f"the server was silent for {self._liveness.silence_s(now_s):.1f} s"))
        self._rooms.tick(now_s)
        self._outbox.tick(now_s)
        self._token.tick(now_s)

    # What to do.

    def take_output(self) -> list[bytes]:
        """The payloads to send now, each as one message."""
        self.has_work = False
        output, self._output = self._output, []
        if self.state in SERVED:
            output += self._rooms.take_output(self._message_bytes_max)
            output += self._outbox.take_output(self._now_s)
        return output

    def take_items(self) -> list[tuple[Room, Item]]:
        """What happened to the rooms, in order."""
        return self._rooms.take_items()

    def take_outcomes(self) -> list[tuple[PendingAction, Outcome]]:
        """What became of actions, in order. Actions that are left when the session ends have no outcome."""
        return self._outbox.take_outcomes()

    # Inside.

    def _handle(self, message: ServerMessage, now_s: float) -> None:
        match message:
            case messages.Welcome() if self.state is State.GREETING:
                self._begin(message, now_s)
            case messages.Goaway():
                self._go_away(message, now_s)
            case messages.Error():
                self._refused(message, now_s)
            case messages.Verdict():
                self.verdict = Verdict(message.kind, message.reason, message.until)
            case _ if self.state in SERVED:
                self.has_work |= self._handle_served(message, now_s)

    def _handle_served(self, message: ServerMessage, now_s: float) -> bool:
        """Handle an answer to a request. Returns whether there may be something to send, or another deadline."""
        match message:
            case messages.Event():
                return self._rooms.deliver(message.room, lambda room: room.event(message))
            case messages.Skipped():
                return self._rooms.deliver(message.room, lambda room: room.skipped(message))
            case messages.Occupancy() | messages.Members() | messages.MembersChanged():
                return self._rooms.deliver(message.room, lambda room: room.present(message))
            case messages.Replayed():
                return self._rooms.deliver(message.room, lambda room: room.replayed(message))
            case messages.Subscribed():
                return self._rooms.deliver(message.room, lambda room: room.subscribed(message))
            case messages.Ack():
                self._outbox.ack(message.id)
            case messages.Nack():
                self._outbox.nack(message, now_s, self._reconnect.delay_s(0), 1 - self._random())
            case messages.Refreshed():
                self._last_error = ""
                self._token.extend(message.expires, now_s)
            case _:
                return False
        return True

    def _begin(self, welcome: messages.Welcome, now_s: float) -> None:
        self._move(Input.WELCOME)
        self.welcome = welcome
        self._retry = True
        self._reconnect.welcomed(now_s)
        self._token.begin(welcome, now_s)
        self._outbox.welcome(welcome)

    def _refused(self, error: messages.Error, now_s: float) -> None:
        """An error answers the rooms, or the token, sent under its id. Without room and id it concerns everything."""
        known = ERRORS.get(error.code)
        if error.room is None and error.id in (None, self._token.request_id):
            self._last_error = f"{error.message} ({error.code})"  # a close may follow that does not say why
        if error.room is not None or error.id is not None:
            self._rooms.refused(error, now_s)
            self.has_work = True  # there may be an earlier deadline
        elif known is not None and known.recovery is Recovery.GIVE_UP:
            self._give_up(ConnectionRefused(error.code, f"the server refused: {self._last_error}"))

    def _go_away(self, message: messages.Goaway, now_s: float) -> None:
        self._reconnect.schedule_goaway(now_s, message.reconnect_ms)
        self.trouble = f"the edge sent this client away: {message.reason}"
        if self.state in SERVED:
            self._move(Input.GOAWAY)
        else:
            self._hang_up(now_s, Input.GOAWAY)

    def _lose(self, now_s: float, trouble: Unreachable) -> None:
        """Connect again after a wait. Before the first welcome that is for the user to decide."""
        if not self._retry:
            self._give_up(trouble)
            return
        self.trouble = str(trouble)
        was_leaving = self.state is State.LEAVING
        self._hang_up(now_s, Input.LOST)
        if not was_leaving:  # otherwise the goaway has said when
            self._reconnect.schedule(now_s, trouble.retry_after_s)

    def _hang_up(self, now_s: float, why: Input) -> None:
        self._move(why)
        self._reconnect.ended(now_s)
        self._output.clear()
        self._rooms.connection_lost()
        self._outbox.connection_lost()
        self._token.end()

    def _give_up(self, failure: ConnectionFailed) -> None:
        if self.state is not State.CLOSED:
            self.failure = failure
            self._move(Input.GIVE_UP)

    def _move(self, happened: Input) -> None:
        self.state = TRANSITIONS[self.state, happened]
        self.has_work = True

    def _silence_deadline(self) -> float | None:
        """When the connection counts as dead."""
        if self.state is State.GREETING:
            return self._liveness.welcome_deadline()
        if self.state not in SERVED or self.welcome is None:
            return None
        return self._liveness.deadline(self.welcome.heartbeat_ms)

    def _send(self, message: messages.ClientMessage) -> None:
        self._output.append(self.codec.encode(message))

    @property
    def _message_bytes_max(self) -> int:
        return CLIENT_MESSAGE_BYTES_MAX if self.welcome is None else self.welcome.limits.message_bytes_max
