"""A session: what one client may do when, and what it is answered.

What may come when, and what happens then, is `TRANSITIONS`. The end of the connection closes a session in any state.

Handed payloads and told of pause, resume and close; hands back frames (`take_output`), a close code (`closing`) and
subscriptions that have to catch up (`next_behind`). Knows no socket and no clock: times are handed in.

Rules:

1. Whatever a client sends is answered by its code, and harms nobody else. After ``errors_max`` errors it is closed.
2. A paused session (its socket takes no more) is written nothing but answers to what it had sent before.
3. Output is taken and written by the shell before the loop does anything else, so nothing overtakes it.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, NamedTuple

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.errors import BadMessage, BadRoom
from touchline_protocol.messages import (
    Action,
    ClientMessage,
    Error,
    Hello,
    Limits,
    Message,
    Refresh,
    Refreshed,
    RoomRequest,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
    Verdict,
    Welcome,
)
from touchline_protocol.rooms import split_room

from .access import Door
from .action_queue import Malformed
from .action_session import Numbering
from .grants import Grant, Refusal, TokenRefused
from .hub import Hub
from .room import Write
from .subscription import Next, Phase, Step, Subscription


class SessionState(Enum):
    """Where a session is; see `TRANSITIONS`."""

    AWAITING_HELLO = auto()
    OPEN = auto()
    CLOSED = auto()


class SessionLimits(NamedTuple):
    """What an edge allows a session and says of itself; `touchline_server.config.settings` has the reasons."""

    edge: str
    heartbeat_ms: int
    message_bytes_max: int
    rooms_max: int
    errors_max: int
    replay_records_max: int


class Session:
    """One client's session. ``client`` is whatever the shell wants to find it by; ``name`` is told to the client.

    ``shown`` is what the client's token grants, where it showed one before its first message. ``grant`` is what it was
    let in with, and ``numbering`` that of its actions.
    """

    __slots__ = (
        "_behind",
        "_limits",
        "_name",
        "_output",
        "_shown",
        "client",
        "closing",
        "codec",
        "door",
        "errors",
        "grant",
        "hub",
        "numbering",
        "paused",
        "state",
        "subscriptions",
        "write",
    )

    def __init__(
        self,
        hub: Hub,
        door: Door,
        codec: Codec,
        limits: SessionLimits,
        write: Write,
        client: object,
        name: str,
        shown: Grant | None = None,
    ) -> None:
        self.hub = hub
        self.door = door
        self.codec = codec
        self.write = write
        self.client = client
        self.state = SessionState.AWAITING_HELLO
        self.subscriptions: dict[str, Subscription] = {}
        self.paused = False
        self.errors = 0
        self.closing: codes.CloseCode | None = None
        self.grant: Grant | None = None
        self.numbering: Numbering | None = None
        self._shown = shown
        self._limits = limits
        self._name = name
        self._output: list[bytes] = []
        self._behind: list[Subscription] = []  # not a deque, which takes 750 bytes empty

    def receive(self, payload: bytes, *, now_ms: int) -> None:
        """Take one message of the client's. ``now_ms``: Unix milliseconds."""
        if self.state is SessionState.CLOSED:
            return
        try:
            message: ClientMessage | None = self.codec.decode_client(payload)
        except BadMessage as error:
            message = None
            if self.state is SessionState.AWAITING_HELLO or error.action_id is None:
                self._error(codes.ERRORS[error.code], str(error))
            else:
                self._act(Malformed(error.action_id, str(error), error.action_prev), now_ms)
            if self.state is SessionState.OPEN:
                return
        transition = TRANSITIONS[self.state, type(message)]
        self.state = transition.next
        transition.action(self, message, now_ms)

    def watch(self, request: RoomRequest, *, now_ms: int) -> Refusal | None:
        """Open with one room, for a client that sends no messages; why not, where that cannot be.

        Raises:
            TokenRefused: a token is needed, and none was shown.
        """
        grant = self._shown or self.door.admit(None, now_ms)
        standing = self.door.standing(grant, now_ms)
        if standing is not None and standing.kind == "ban":
            return codes.FORBIDDEN, f"a verdict bans the player: {standing.reason}"
        refusal = self._refusal(request, grant)
        if refusal is None:
            if grant is not None:
                self.door.enter(self, grant, now_ms)
            self.state = SessionState.OPEN
            self._join(request, None)
        return refusal

    def send(self, message: Message) -> None:
        """Say something; the shell is to write it soon (rule 3)."""
        self._output.append(self.codec.frame(message))

    def judge(self, verdict: Verdict) -> None:
        """A verdict about this session's player came."""
        if self.state is SessionState.OPEN:
            self.send(verdict)
            if verdict.kind == "ban":
                self.closing = codes.BANNED

    def take_output(self) -> bytes:
        """The frames to write now, joined."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def next_behind(self) -> Subscription | None:
        """The subscription whose turn it is to catch up; None where there is none, or the client takes no more."""
        if self.paused or self.state is not SessionState.OPEN:
            return None
        while self._behind:
            subscription = self._behind.pop(0)
            if subscription.phase is not Phase.LEFT:
                return subscription
        return None

    def stepped(self, subscription: Subscription, step: Step) -> None:
        """A step's bytes have been written: queue for another step, or go live."""
        if subscription.phase is Phase.LEFT:
            return
        if step.next is Next.LIVE and not self.paused and subscription.cursor == subscription.room.place:
            subscription.go_live(self.write)
        elif step.next is Next.CLOSE:
            self.closing = codes.TOO_SLOW
        elif step.next in (Next.LIVE, Next.STEP):
            self._behind.append(subscription)

    def woken(self, subscription: Subscription) -> None:
        """The room has reached a subscription that was ahead of it."""
        if subscription.phase is Phase.AHEAD:
            subscription.phase = Phase.BEHIND
            self._behind.append(subscription)

    def refuse(self, subscription: Subscription, error: codes.ErrorCode, message: str) -> None:
        """A subscription is left after all, by no mistake of the client's, who is told."""
        request_id = subscription.request_id if subscription.phase is Phase.JOINING else None  # else it was answered
        self._leave(subscription)
        self.send(Error(code=error.code, message=message, room=subscription.room.name, id=request_id))

    def pause(self, now_ms: int) -> None:
        """The client takes no more: all that is live becomes a cursor. ``now_ms`` is of a clock that never jumps."""
        self.paused = True
        for subscription in self.subscriptions.values():
            if subscription.behind_since_ms is None:
                subscription.behind_since_ms = now_ms
            if subscription.phase is Phase.LIVE:
                subscription.fall_behind()
                self._behind.append(subscription)

    def resume(self) -> None:
        """The client takes again; the shell goes on with `next_behind`."""
        self.paused = False

    def close(self, now_ms: int) -> None:
        """The connection is gone or going: leave all rooms. ``now_ms``: Unix milliseconds."""
        self.state = SessionState.CLOSED
        self.door.leave(self, now_ms)
        for subscription in list(self.subscriptions.values()):
            self._leave(subscription)
        self._behind.clear()

    def behind_since(self) -> int | None:
        """Since when it has not been live in all rooms where it was; None where it is."""
        times = [subscription.behind_since_ms for subscription in self.subscriptions.values()]
        return min((time for time in times if time is not None), default=None)

    def heard_since(self, time_ms: int) -> bool:
        """Whether any of its live rooms was flushed, so that the client heard something, since ``time_ms``."""
        return any(
            subscription.phase is Phase.LIVE and subscription.room.flushed_ms >= time_ms
            for subscription in self.subscriptions.values()
        )

    def _greet(self, message: Hello, now_ms: int) -> None:
        try:
            grant = self._shown if message.token is None and self._shown else self.door.admit(message.token, now_ms)
        except TokenRefused as refused:
            self._error(refused.code, str(refused))
            unknown = refused.code is codes.TOKEN_KEY_UNKNOWN
            self.closing = codes.CLOSE_TOKEN_KEY_UNKNOWN if unknown else codes.UNAUTHORIZED
            return
        standing = self.door.standing(grant, now_ms)
        if standing is not None and standing.kind == "ban":
            self.judge(standing)
            return
        name = message.session or self._name
        if grant is not None:
            self.door.enter(self, grant, now_ms)
            self.door.act_as(self, grant, name, continued=message.session is not None)
        self._welcome(name, now_ms)
        if standing is not None:
            self.judge(standing)

    def _welcome(self, name: str, now_ms: int) -> None:
        limits, grant = self._limits, self.grant
        taken = self.door.actions.limits if self.door.verify is not None else None  # without keys nobody can act
        self.send(
            Welcome(
                session=name,
                edge=limits.edge,
                heartbeat_ms=limits.heartbeat_ms,
                limits=Limits(
                    message_bytes_max=limits.message_bytes_max,
                    rooms_max=limits.rooms_max,
                    action_bytes_max=taken.data_bytes_max if taken else 0,
                    actions_window=taken.actions_window if taken else 0,
                ),
                time=now_ms,
                player=None if grant is None else grant.player,
                expires=None if grant is None else grant.expires_ms,
                last_action=0 if self.numbering is None else self.numbering.in_log,
            )
        )

    def _act(self, message: Action | Malformed, now_ms: int) -> None:
        nack = self.door.actions.take(self, message, now_ms)
        if nack is not None:
            self.send(nack)

    def _refresh(self, message: Refresh, now_ms: int) -> None:
        try:
            grant = self.door.renew(self, message.token, now_ms)
        except TokenRefused as refused:
            self._error(refused.code, str(refused), request_id=message.id)
            return
        for name, subscription in list(self.subscriptions.items()):
            if not self.door.may_watch(grant, name):
                self.refuse(subscription, codes.FORBIDDEN, "the newer token does not allow this room")
        self.send(Refreshed(expires=grant.expires_ms, id=message.id))

    def _demand_hello(self, _message: ClientMessage | None, _now_ms: int) -> None:
        self.closing = codes.HELLO_EXPECTED

    def _refuse_hello(self, _message: Hello, _now_ms: int) -> None:
        self._error(codes.OUT_OF_ORDER, "hello was said already; it is the first message and comes once")

    def _subscribe_all(self, message: Subscribe, _now_ms: int) -> None:
        for request in message.rooms:
            self._subscribe(request, message.id)

    def _unsubscribe_all(self, message: Unsubscribe, _now_ms: int) -> None:
        for room in message.rooms:
            self._unsubscribe(room, message.id)

    def _subscribe(self, request: RoomRequest, request_id: int | None) -> None:
        refusal = self._refusal(request, self.grant)
        if refusal is not None:
            self._error(*refusal, request.room, request_id)
        else:
            self._join(request, request_id)

    def _refusal(self, request: RoomRequest, grant: Grant | None) -> Refusal | None:
        """Why a room cannot be joined; None where it can."""
        name = request.room
        try:
            feed, _ = split_room(name)
        except BadRoom as error:
            return codes.BAD_ROOM, str(error)
        if feed not in self.hub.feeds:
            known = ", ".join(sorted(self.hub.feeds))
            return codes.UNKNOWN_FEED, f"there is no feed {feed!r} here; there are: {known}"
        if not self.door.may_watch(grant, name):
            return codes.FORBIDDEN, "the token's rooms do not name this one"
        if name in self.subscriptions:
            return codes.ALREADY_SUBSCRIBED, "unsubscribe first to start over"
        if len(self.subscriptions) >= self._limits.rooms_max:
            return codes.TOO_MANY_ROOMS, f"at most {self._limits.rooms_max} rooms a connection; leave one first"
        if (request.epoch is None) != (request.after is None):
            return codes.BAD_MESSAGE, "epoch and after go together: they are one cursor"
        if self.hub.room(name) is None:
            return codes.UNAVAILABLE, "this edge has not read the room's log yet; try again in a moment"
        return None

    def _join(self, request: RoomRequest, request_id: int | None) -> None:
        room = self.hub.room(request.room)
        assert room is not None  # noqa: S101 - it was there when nothing spoke against joining it
        subscription = Subscription(self, room, request, request_id, self._limits.replay_records_max)
        room.members += 1
        self.subscriptions[room.name] = subscription
        self._behind.append(subscription)

    def _unsubscribe(self, name: str, request_id: int | None) -> None:
        subscription = self.subscriptions.get(name)
        if subscription is None:
            self._error(codes.NOT_SUBSCRIBED, "the connection is not in this room", name, request_id)
            return
        self._leave(subscription)
        self.send(Unsubscribed(room=name, id=request_id))

    def _leave(self, subscription: Subscription) -> None:
        subscription.phase = Phase.LEFT
        subscription.room.leave(subscription)
        del self.subscriptions[subscription.room.name]
        self.hub.left(subscription.room)

    def _error(
        self, error: codes.ErrorCode, message: str, room: str | None = None, request_id: int | None = None
    ) -> None:
        if error.recovery is codes.Recovery.GIVE_UP:
            self.errors += 1
        shown = None if room is None else room[:200]
        self.send(Error(code=error.code, message=message, room=shown, id=request_id))
        if self.errors >= self._limits.errors_max:
            self.closing = codes.TOO_MANY_ERRORS


class Transition(NamedTuple):
    """The state that a message leads to, and what is done about it: called with session, message and time."""

    next: SessionState
    action: Callable[[Session, Any, int], None]


TRANSITIONS: dict[tuple[SessionState, type[ClientMessage] | type[None]], Transition] = {
    (SessionState.AWAITING_HELLO, Hello): Transition(SessionState.OPEN, Session._greet),
    (SessionState.AWAITING_HELLO, Subscribe): Transition(SessionState.CLOSED, Session._demand_hello),
    (SessionState.AWAITING_HELLO, Unsubscribe): Transition(SessionState.CLOSED, Session._demand_hello),
    (SessionState.AWAITING_HELLO, Action): Transition(SessionState.CLOSED, Session._demand_hello),
    (SessionState.AWAITING_HELLO, Refresh): Transition(SessionState.CLOSED, Session._demand_hello),
    (SessionState.AWAITING_HELLO, type(None)): Transition(SessionState.CLOSED, Session._demand_hello),
    (SessionState.OPEN, Hello): Transition(SessionState.OPEN, Session._refuse_hello),
    (SessionState.OPEN, Subscribe): Transition(SessionState.OPEN, Session._subscribe_all),
    (SessionState.OPEN, Unsubscribe): Transition(SessionState.OPEN, Session._unsubscribe_all),
    (SessionState.OPEN, Action): Transition(SessionState.OPEN, Session._act),
    (SessionState.OPEN, Refresh): Transition(SessionState.OPEN, Session._refresh),
}
"""What a client may send when. None is what is no message; once it is open that is an error like others."""
