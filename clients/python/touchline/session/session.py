"""A client's session: when to connect, what to say, what the server's messages mean, and when to try again.

Handed payloads of WebSocket messages and times; hands back payloads to send (`take_output`), what happened to each room
(`take_items`), what became of actions (`take_outcomes`) and when to look again (`deadline`). What to do about a code is
`touchline_protocol.codes`' to say. `states` has the table of its states, `following` the rooms, `outbox` the actions,
`lease` the token's time.

Rules:

1. The driver obeys ``state``: in CONNECTING it opens a WebSocket and says `connected` or `connect_failed`; in the
   states of CONNECTED it sends the output and hands in what comes; when the session leaves them, it closes the
   WebSocket. What an abandoned connection still says is not handed in.
2. Items and outcomes are taken after every `receive`; where ``stirred`` is true after it, and after every other call,
   output, outcomes, state, deadline and ``token_due`` are looked at again. `tick` goes before `take_output`.
3. While the driver does not read, it says so (`pause`, `resume`): then silence means nothing.
4. Where ``token_due`` is true, the driver gets a newer token and hands it in (`refresh`), or says that there is none.
5. No loop, no socket, no clock, no randomness of its own: times are seconds on any clock that never goes back.
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

from .backoff import Backoff
from .close_text import describe_close
from .items import Item, Verdict
from .outbox import Outbox, Outcome, PendingAction
from .room import Room
from .room_set import RoomSet
from .states import CONNECTED, SERVED, TRANSITIONS, Input, State
from .token_refresh import TokenRefresh

HEARTBEATS_MISSED_MAX = 2
"""Silence of so many heartbeats means that the connection is dead: one may be late by a network's hiccup."""

WELCOME_S_MAX = 10.0
"""From the open WebSocket to its welcome. Servers answer at once; a dead link does not at all."""

STABLE_S = 5.0
"""A connection that held for so long was a success: the next wait is a short one again."""

GOAWAY_S_MAX = 300.0
"""The longest that a goaway is obeyed: no drain takes longer, and a mistake must not keep clients away for days."""


class Session:
    """One client. ``random`` returns numbers from 0 to 1; ``retry_first`` keeps trying to make the first connection.

    ``renews``: the driver can get newer tokens. ``failure`` is why it is CLOSED, None where the user closed it.
    ``trouble`` says in words why it is WAITING. ``verdict`` is the newest about the player. ``stirred``: there may be
    something to send, or another state or deadline, since the output was taken last.
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
        self._backoff = backoff
        self._random = random
        self._retry = retry_first
        self._attempts = 0
        self._reconnect_at = 0.0
        self._opened_at: float | None = None
        self._heard_at = 0.0
        self._now_s = 0.0
        self._paused = False
        self._complaint = ""
        self._request_ids = count(1)
        self._rooms = RoomSet(codec, self._request_ids, self._delay_s)
        self._outbox = Outbox(codec, actions_max)
        self._token = TokenRefresh(can_renew=can_renew_token)
        self._output: list[bytes] = []

    # What the user wants.

    @property
    def rooms(self) -> dict[str, Room]:
        """The rooms that are followed, by name."""
        return self._rooms.rooms

    def subscribe(self, name: str, *, after: Cursor | None = None, last: int = 0, deliver: Deliver = "all") -> Room:
        """Follow a room; it is asked for as soon as there is a connection.

        Raises:
            AlreadySubscribed: it is followed already.
        """
        return self._rooms.subscribe(name, after=after, last=last, deliver=deliver)

    def unsubscribe(self, room: Room) -> None:
        """Leave a room; one that is over already is left in peace."""
        self._rooms.unsubscribe(room)

    def act(self, room: str, kind: str, data: bytes) -> PendingAction:
        """Do something in a room, which need not be followed; ``data`` is JSON. Sent as soon as that can be.

        Raises:
            ActionRefused: the server would not take it.
            ActionsFull: as many as are allowed wait for their answers.
        """
        return self._outbox.add(room, kind, data)

    def withdraw(self, act: PendingAction) -> None:
        """What became of an action does not matter any more. It is done all the same if it was sent."""
        self._outbox.withdraw(act)

    def close(self) -> None:
        """The user is done."""
        self._move(Input.CLOSE)

    # What the connection says.

    def connected(self, now_s: float, token: str | None = None) -> None:
        """The WebSocket is open; ``token`` says who we are."""
        self._move(Input.CONNECTED)
        self._heard_at = self._now_s = now_s
        self._opened_at = None
        self._paused = False
        self._complaint = ""
        self._send(Hello(token=token, session=self._outbox.session, agent=self._agent))

    def connect_failed(self, now_s: float, failure: ConnectionFailed) -> None:
        """No WebSocket could be opened; only `Unreachable` is worth another try."""
        if not isinstance(failure, Unreachable):
            self._give_up(failure)
        elif self.state is State.CONNECTING:
            self._lose(now_s, failure)

    def disconnected(self, now_s: float, code: int, reason: str) -> None:
        """The WebSocket was closed with ``code``; 1006 where it was lost without a close frame."""
        if self.state not in CONNECTED:
            return
        no_newer_token = code == CLOSE_TOKEN_EXPIRED.code and not self._token.can_renew
        text = describe_close(code, reason, self._complaint, self.verdict, no_newer_token=no_newer_token)
        if no_newer_token or recovery_of_close(code) is Recovery.GIVE_UP:
            self._give_up(ConnectionRefused(code, text))
        else:
            self._lose(now_s, Unreachable(text))

    def receive(self, payload: bytes, now_s: float) -> None:
        """Take one message of the server's."""
        if self.state not in CONNECTED:
            return
        self._heard_at = self._now_s = now_s
        try:
            message = self.codec.decode_server(payload)
        except BadMessage as error:
            if error.code != UNKNOWN_TYPE.code:  # an unknown type is from a newer server, and none of our business
                self._give_up(ProtocolViolated(f"the server sent something unreadable: {error}"))
            return
        self._take(message, now_s)

    def refresh(self, token: str | None, now_s: float) -> None:
        """Hand in a newer token; None where there is none to be had."""
        request_id = None
        if token is not None and self.state in SERVED:
            request_id = next(self._request_ids)
            self._send(messages.Refresh(token=token, id=request_id))
        self._token.asked(now_s, request_id)

    def pause(self) -> None:
        """The driver stops reading: the user is slower than the server."""
        self._paused = True

    def resume(self, now_s: float) -> None:
        """The driver reads again."""
        self._paused = False
        self._heard_at = now_s

    # When to do what.

    @property
    def reconnect_at(self) -> float | None:
        """When the next connection is to be opened, None where one is there or none will be."""
        return self._reconnect_at if self.state is State.WAITING else None

    @property
    def token_due(self) -> bool:
        """Whether the driver should get a newer token."""
        return self._token.due

    @property
    def deadline(self) -> float | None:
        """When to call `tick`, None where there is nothing to wait for."""
        times = self._outbox.deadlines + self._rooms.deadlines
        if self.state in (State.WAITING, State.LEAVING):
            times.append(self._reconnect_at)
        times += [time for time in (self._silent_at(), self._token.deadline) if time is not None]
        return min(times, default=None)

    def tick(self, now_s: float) -> None:
        """Do what is due; too early is no harm."""
        self._now_s = now_s
        silent_at = self._silent_at()
        if self.state in (State.WAITING, State.LEAVING) and now_s >= self._reconnect_at:
            self._hang_up(now_s, Input.DUE)
        elif silent_at is not None and now_s >= silent_at:
            self._lose(now_s, Unreachable(f"the server was silent for {now_s - self._heard_at:.1f} s"))
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
        """What became of actions, in order. At the session's end what is left has none: ``failure`` is why."""
        return self._outbox.take_outcomes()

    # Within.

    def _take(self, message: ServerMessage, now_s: float) -> None:
        match message:
            case messages.Welcome() if self.state is State.GREETING:
                self._begin(message, now_s)
            case messages.Goaway():
                self._send_away(message, now_s)
            case messages.Error():
                self._refused(message, now_s)
            case messages.Verdict():
                self.verdict = Verdict(message.kind, message.reason, message.until)
            case _ if self.state in SERVED:
                self.has_work |= self._served(message, now_s)

    def _served(self, message: ServerMessage, now_s: float) -> bool:
        """What comes of what was asked for; whether there may be something to send, or another deadline."""
        following, outbox = self._rooms, self._outbox
        match message:
            case messages.Event():
                return following.deliver(message.room, lambda room: room.event(message))
            case messages.Skipped():
                return following.deliver(message.room, lambda room: room.skipped(message))
            case messages.Subscribed():
                return following.deliver(message.room, lambda room: room.subscribed(message))
            case messages.Ack():
                outbox.acked(message.id)
            case messages.Nack():
                outbox.nacked(message, now_s, self._delay_s(0))
            case messages.Refreshed():
                self._complaint = ""
                self._token.extend(message.expires, now_s)
            case _:
                return False
        return True

    def _begin(self, welcome: messages.Welcome, now_s: float) -> None:
        self._move(Input.WELCOME)
        self.welcome = welcome
        self._retry = True
        self._opened_at = now_s
        self._token.begin(welcome, now_s)
        self._outbox.welcome(welcome)

    def _refused(self, error: messages.Error, now_s: float) -> None:
        """An error answers the rooms, or the token, handed in under its id; without room and id it concerns all."""
        known = ERRORS.get(error.code)
        if error.room is None and error.id in (None, self._token.request_id):
            self._complaint = f"{error.message} ({error.code})"  # a close may follow, and not say why
        if error.room is not None or error.id is not None:
            self._rooms.refused(error, now_s)
            self.has_work = True  # the deadline may be an earlier one
        elif known is not None and known.recovery is Recovery.GIVE_UP:
            self._give_up(ConnectionRefused(error.code, f"the server refused: {self._complaint}"))

    def _send_away(self, message: messages.Goaway, now_s: float) -> None:
        self._reconnect_at = now_s + min(max(message.reconnect_ms, 0) / 1000, GOAWAY_S_MAX)
        self.trouble = f"the edge sent us away: {message.reason}"
        if self.state in SERVED:
            self._move(Input.GOAWAY)
        else:
            self._hang_up(now_s, Input.GOAWAY)

    def _lose(self, now_s: float, trouble: Unreachable) -> None:
        """Connect again after a while; before the first welcome that is the user's to decide."""
        if not self._retry:
            self._give_up(trouble)
            return
        self.trouble = str(trouble)
        was_leaving = self.state is State.LEAVING
        self._hang_up(now_s, Input.LOST)
        if not was_leaving:  # else the goaway said when
            self._reconnect_at = now_s + self._delay_s(self._attempts)
            self._attempts += 1

    def _hang_up(self, now_s: float, why: Input) -> None:
        self._move(why)
        if self._opened_at is not None and now_s - self._opened_at >= STABLE_S:
            self._attempts = 0
        self._opened_at = None
        self._output.clear()
        self._rooms.lost()
        self._outbox.lost()
        self._token.end()

    def _give_up(self, failure: ConnectionFailed) -> None:
        if self.state is not State.CLOSED:
            self.failure = failure
            self._move(Input.GIVE_UP)

    def _move(self, happened: Input) -> None:
        self.state = TRANSITIONS[self.state, happened]
        self.has_work = True

    def _silent_at(self) -> float | None:
        """When the connection is to be taken for dead."""
        if self.state is State.GREETING:
            return self._heard_at + WELCOME_S_MAX
        if self.state not in SERVED or self._paused or self.welcome is None or self.welcome.heartbeat_ms <= 0:
            return None
        return self._heard_at + HEARTBEATS_MISSED_MAX * self.welcome.heartbeat_ms / 1000

    def _delay_s(self, attempt: int) -> float:
        return self._backoff.delay_s(attempt, self._random())

    def _send(self, message: messages.ClientMessage) -> None:
        self._output.append(self.codec.encode(message))

    @property
    def _message_bytes_max(self) -> int:
        return CLIENT_MESSAGE_BYTES_MAX if self.welcome is None else self.welcome.limits.message_bytes_max
