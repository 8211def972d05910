"""A client: what it may send when, and what it is answered.

`TRANSITIONS` lists which message is allowed in which state, and what it does. The end of the connection closes a client
in any state.

It is given payloads, times, and pauses; it collects frames to write and a code to close with, which `take_effects`
hands out. It knows no socket and no clock.

Rules:

1. Whatever a client sends is answered by its code, and harms nobody else. Rates limit what it may
   ask for: beyond them a request is refused with its code, and a client that goes on regardless is closed.
2. The shell writes effects before the loop does anything else, so nothing overtakes them.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, NamedTuple, TypeAlias

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.errors import BadMessage, BadRoom
from touchline_protocol.messages import (
    Action,
    ClientMessage,
    Error,
    Hello,
    Message,
    Nack,
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

from .client_limits import ClientLimits, ClientRates
from .clocks import Now
from .effects import NOTICES_MAX, Close, Effect, Notable, Notice, Owner
from .input_scheduler import TOKEN_WORK
from .players.access import Access
from .players.action_queue import Malformed
from .players.action_session import ActionSession
from .players.grants import Grant, Refusal, TokenRefused
from .rooms.hub import Hub
from .rooms.room import Delivery, Room, Write
from .subscriber import Subscriber
from .subscription import Phase, Subscription


class ClientState(Enum):
    """Where a client is; see `TRANSITIONS`."""

    AWAITING_HELLO = auto()
    OPEN = auto()
    CLOSED = auto()


class Client(Subscriber[Owner, "Client[Owner]"]):
    """One client.

    ``session_name`` is given to a client that brings none. ``presented`` is the grant of a token that it presented
    before its first message. ``grant`` is what it was let in with, ``action_session`` what it acts in. ``work`` is what
    its messages caused beyond their frames, in units of `input_scheduler`, until the edge has counted it.
    ``single_room``: it cannot send messages, so it is gone with its one room.
    """

    __slots__ = (
        "_limits",
        "_notices",
        "_output",
        "_presented",
        "_rates",
        "_refusals",
        "_session_name",
        "access",
        "action_session",
        "grant",
        "single_room",
        "state",
        "work",
    )

    def __init__(
        self,
        owner: Owner,
        hub: "Hub[Subscription[Client[Owner]]]",
        access: "Access[Client[Owner]]",
        codec: Codec,
        limits: ClientLimits,
        write: Write,
        session_name: str,
        presented: Grant | None = None,
    ) -> None:
        super().__init__(owner, hub, codec, write)
        self.access = access
        self.state = ClientState.AWAITING_HELLO
        self.work = 0
        self.grant: Grant | None = None
        self.action_session: ActionSession[Client[Owner]] | None = None
        self.single_room = False
        self._presented = presented
        self._limits = limits
        self._rates = ClientRates(limits.rates)
        self._refusals = 0  # of the message that is being answered
        self._session_name = session_name
        self._output: list[bytes] = []
        self._notices: list[Notice[Owner]] = []

    def receive(self, payload: bytes, now: Now) -> "Client[Owner] | None":
        """Take one message. Returns the client whose action session this one took over, which is to be closed."""
        if self.state is ClientState.CLOSED:
            return None
        replaced = self._answer(payload, now)
        if self._refusals:
            self.work += self._refusals  # each has an answer, and a line in the log
            if self._rates.take_refusals(self._refusals, now.loop_ms):
                self.closing = self.closing or codes.TOO_MANY_ERRORS
            self._refusals = 0
        return replaced

    def receive_control_frame(self, now: Now) -> None:
        """Take a ping or a pong."""
        if self._rates.take_ping(now.loop_ms):
            self.closing = self.closing or codes.TOO_MANY_PINGS

    def _answer(self, payload: bytes, now: Now) -> "Client[Owner] | None":
        try:
            message: ClientMessage | None = self.codec.decode_client(payload)
        except BadMessage as error:
            message = None
            if self.state is ClientState.AWAITING_HELLO or error.action_id is None:
                self._error(codes.ERRORS[error.code], str(error))
            else:
                self._act(Malformed(error.action_id, str(error), error.action_prev), now)
            if self.state is ClientState.OPEN:
                return None
        transition = TRANSITIONS[self.state, type(message)]
        self.state = transition.next
        return transition.action(self, message, now)

    def watch(self, request: RoomRequest, now: Now) -> Refusal | None:
        """Open with one room, for a client that sends no messages; returns why it cannot, or None.

        Raises:
            TokenRefused: a token is required, and none was presented.
        """
        grant = self._presented or self.access.admit(None, now)
        standing = self.access.standing(grant, now.loop_ms)
        if standing is not None and standing.kind == "ban":
            return codes.FORBIDDEN, f"a verdict bans the player: {standing.reason}"
        refusal = self._refusal(request, grant)
        if refusal is None:
            self._sign_in(grant)
            self.state = ClientState.OPEN
            self.single_room = True
            self.last_write_ms = now.loop_ms  # the head of the response, however long the room takes
            self._join(request, None)
        return refusal

    def send(self, message: Message, agent: str | None = None) -> None:
        """Send a message with the next `take_effects`. ``agent``: what the client calls itself, for an operator."""
        self._output.append(self.codec.frame(message))
        if isinstance(message, Notable) and len(self._notices) < NOTICES_MAX:
            self._notices.append(Notice(self.owner, message, self.grant and self.grant.player, agent))

    def enforce(self, verdict: Verdict) -> None:
        """Tell the client of a verdict about its player, and close it if that bans."""
        if self.state is ClientState.OPEN:
            self.send(verdict)
            if verdict.kind == "ban":
                self.closing = codes.BANNED

    def take_effects(self, now: Now) -> list[Effect[Owner]]:
        """What is to be written to the client now, and its close, if it is to be closed."""
        effects: list[Effect[Owner]] = [*self._notices]
        self._notices.clear()
        if self._output:
            effects.append(Delivery(b"".join(self._output), [self.write]))
            self._output.clear()
            self.last_write_ms = now.loop_ms
        code = self.closing
        if code is None and self.single_room and self.state is ClientState.OPEN and not self.subscriptions:
            code = codes.GOING_AWAY  # it comes back by itself
        if code is not None:
            effects.append(self.close(code, now))
        return effects

    def close(self, code: codes.CloseCode, now: Now) -> Close[Owner]:
        """Close it with a code."""
        self.leave_edge(now)
        return Close(self.owner, code)

    def leave_edge(self, now: Now) -> None:
        """The connection is gone or going: leave all rooms, sign out, and forget what was to be sent."""
        self.state = ClientState.CLOSED
        self.closing = None
        self._output.clear()
        if self.grant is not None:
            self.access.leave(self, self.grant)
            self.grant = None
        if self.action_session is not None:
            self.access.actions.leave(self.action_session, now.loop_ms)
            self.action_session = None
        self.leave_all()

    def refuse(self, subscription: "Subscription[Client[Owner]]", error: codes.ErrorCode, message: str) -> None:
        """Drop a subscription through no fault of the client, and tell it why."""
        request_id = subscription.request_id if subscription.phase is Phase.JOINING else None  # otherwise answered
        self.leave(subscription)
        self.send(Error(code=error.code, message=message, room=subscription.room.name, id=request_id))

    def _greet(self, message: Hello, now: Now) -> "Client[Owner] | None":
        if message.token is not None:
            self.work += TOKEN_WORK
        presented = self._presented if message.token is None else None
        try:
            grant = presented or self.access.admit(message.token, now)
        except TokenRefused as refused:
            self._error(refused.code, str(refused))
            is_unknown = refused.code is codes.TOKEN_KEY_UNKNOWN
            self.closing = codes.CLOSE_TOKEN_KEY_UNKNOWN if is_unknown else codes.UNAUTHORIZED
            return None
        self._sign_in(grant)
        standing = self.access.standing(grant, now.loop_ms)
        if standing is not None and standing.kind == "ban":
            self.enforce(standing)
            return None
        name = message.session or self._session_name
        replaced = None if grant is None else self._act_in(grant, name, continued=message.session is not None)
        self._welcome(name, message.agent, now)
        if standing is not None:
            self.enforce(standing)
        return replaced

    def _sign_in(self, grant: Grant | None) -> None:
        self.grant = grant
        if grant is not None:
            self.access.enter(self, grant)

    def _act_in(self, grant: Grant, name: str, *, continued: bool) -> "Client[Owner] | None":
        self.action_session, replaced = self.access.actions.enter(self, grant.player, name, continued=continued)
        if replaced is not None:
            replaced.lose_session()
        return replaced

    def lose_session(self) -> None:
        """Another connection goes on with this client's action session."""
        self.action_session = None
        self.closing = codes.SESSION_REPLACED

    def _welcome(self, name: str, agent: str | None, now: Now) -> None:
        limits, grant = self._limits, self.grant
        acting = self.access.actions if self.access.verify is not None else None  # without keys nobody can act
        self.send(
            Welcome(
                session=name,
                edge=limits.edge,
                heartbeat_ms=limits.heartbeat_ms,
                limits=limits.advertised(acting),
                time=now.unix_ms,
                player=None if grant is None else grant.player,
                expires=None if grant is None else grant.expires_ms,
                last_action=0 if self.action_session is None else self.action_session.in_log,
            ),
            agent,
        )

    def _act(self, message: Action | Malformed, now: Now) -> None:
        actions = self.access.actions
        waiting_before = actions.waiting
        if self.action_session is None or self.grant is None:
            why = "only players may act: put a token into hello"
            nack: Nack | None = Nack(id=message.id, code=codes.TOKEN_MISSING.code, message=why)
        else:
            nack = actions.submit(self.action_session, self.grant, self.codec, message, now)
        if nack is not None:
            self.send(nack)
        if actions.waiting == waiting_before:  # refused, or a copy of one that waits for its answer
            self._refusals += 1

    def _refresh(self, message: Refresh, now: Now) -> None:
        if wait_ms := self._rates.take_refresh(now.loop_ms):
            self._error(codes.TOO_MANY_REFRESHES, "wait for retry_ms", request_id=message.id, retry_ms=wait_ms)
            return
        self.work += TOKEN_WORK
        try:
            grant = self.access.renew(self, self.grant, message.token, now)
        except TokenRefused as refused:
            self._error(refused.code, str(refused), request_id=message.id)
            return
        self.grant = grant
        for name, subscription in list(self.subscriptions.items()):
            if not self.access.may_watch(grant, name):
                self.refuse(subscription, codes.FORBIDDEN, "the newer token does not allow this room")
        self.send(Refreshed(expires=grant.expires_ms, id=message.id))

    def _demand_hello(self, _message: ClientMessage | None, _now: Now) -> None:
        self.closing = codes.HELLO_EXPECTED

    def _refuse_hello(self, _message: Hello, _now: Now) -> None:
        self._error(codes.OUT_OF_ORDER, "hello is the first message of a connection, and is sent once")

    def _subscribe_all(self, message: Subscribe, now: Now) -> None:
        if wait_ms := self._rates.take_subscribes(len(message.rooms), now.loop_ms):
            why = "none of these rooms was joined: ask for them again after retry_ms"
            self._error(codes.TOO_MANY_SUBSCRIBES, why, request_id=message.id, retry_ms=wait_ms)
            return
        self.work += len(message.rooms)
        for request in message.rooms:
            refusal = self._refusal(request, self.grant)
            if refusal is None:
                self._join(request, message.id)
            else:
                self._error(*refusal, request.room, message.id)

    def _unsubscribe_all(self, message: Unsubscribe, _now: Now) -> None:
        self.work += len(message.rooms)
        for name in message.rooms:
            subscription = self.subscriptions.get(name)
            if subscription is None:
                self._error(codes.NOT_SUBSCRIBED, "the connection is not in this room", name, message.id)
            else:
                self.leave(subscription)
                self.send(Unsubscribed(room=name, id=message.id))

    def _refusal(self, request: RoomRequest, grant: Grant | None) -> Refusal | None:
        """Why a room cannot be joined; None if it can."""
        name = request.room
        try:
            feed, _ = split_room(name)
        except BadRoom as error:
            return codes.BAD_ROOM, str(error)
        if feed not in self.hub.feeds:
            known = ", ".join(sorted(self.hub.feeds))
            return codes.UNKNOWN_FEED, f"this server does not carry the feed {feed!r}; it carries {known}"
        if not self.access.may_watch(grant, name):
            return codes.FORBIDDEN, "the token's rooms do not include this one"
        if name in self.subscriptions:
            return codes.ALREADY_SUBSCRIBED, "unsubscribe first to start over"
        if len(self.subscriptions) >= self._limits.rooms_max:
            return codes.TOO_MANY_ROOMS, f"a connection's rooms_max is {self._limits.rooms_max}; leave a room first"
        if (request.epoch is None) != (request.after is None):
            return codes.BAD_MESSAGE, "epoch and after go together: they are one cursor"
        if self.hub.room(name) is None:
            return codes.UNAVAILABLE, "this edge has not read the room's log yet; try again in a moment"
        return None

    def _join(self, request: RoomRequest, request_id: int | None) -> None:
        room = self.hub.room(request.room)
        assert room is not None  # noqa: S101 - nothing spoke against joining it a moment ago
        self.join(self, room, request, request_id, self._limits.replay_records_max)

    def _error(
        self,
        error: codes.ErrorCode,
        message: str,
        room: str | None = None,
        request_id: int | None = None,
        retry_ms: int | None = None,
    ) -> None:
        self._refusals += 1
        self.send(Error(error.code, message, room and room[:200], request_id, retry_ms))


Handler: TypeAlias = Callable[[Any, Any, Now], "Client[Any] | None"]
"""What is done about a message: called with client, message and time; returns what `Client.receive` does."""


class Transition(NamedTuple):
    """The state that a message leads to, and what is done about it."""

    next: ClientState
    action: Handler


TRANSITIONS: dict[tuple[ClientState, type[ClientMessage] | type[None]], Transition] = {
    (ClientState.AWAITING_HELLO, Hello): Transition(ClientState.OPEN, Client._greet),
    (ClientState.AWAITING_HELLO, Subscribe): Transition(ClientState.CLOSED, Client._demand_hello),
    (ClientState.AWAITING_HELLO, Unsubscribe): Transition(ClientState.CLOSED, Client._demand_hello),
    (ClientState.AWAITING_HELLO, Action): Transition(ClientState.CLOSED, Client._demand_hello),
    (ClientState.AWAITING_HELLO, Refresh): Transition(ClientState.CLOSED, Client._demand_hello),
    (ClientState.AWAITING_HELLO, type(None)): Transition(ClientState.CLOSED, Client._demand_hello),
    (ClientState.OPEN, Hello): Transition(ClientState.OPEN, Client._refuse_hello),
    (ClientState.OPEN, Subscribe): Transition(ClientState.OPEN, Client._subscribe_all),
    (ClientState.OPEN, Unsubscribe): Transition(ClientState.OPEN, Client._unsubscribe_all),
    (ClientState.OPEN, Action): Transition(ClientState.OPEN, Client._act),
    (ClientState.OPEN, Refresh): Transition(ClientState.OPEN, Client._refresh),
}
"""What a client may send when. None stands for a payload that is not a message: once open, an error like others."""


ClientSubscription: TypeAlias = Subscription[Client[Owner]]
ClientRoom: TypeAlias = Room[ClientSubscription[Owner]]
ClientHub: TypeAlias = Hub[ClientSubscription[Owner]]
