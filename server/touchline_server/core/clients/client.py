"""A client: its state, what it holds, and what is to be written to it.

It collects frames to write and a code to close with, which `take_effects` hands out. The modules above answer its
messages: `signing_in`, `room_requests` and `acting`, by the table in `conversation`. It knows no socket and no clock.

Rules:

1. The shell writes effects before the loop does anything else, so nothing overtakes them.
2. A closed client has left everything: its rooms, its player, its action session.
"""

from enum import Enum, auto
from typing import TypeAlias

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Error, Hello, Message, RoomRequest, Verdict, Welcome
from touchline_server.core.clocks import Now
from touchline_server.core.effects import NOTICES_MAX, Close, Effect, Notable, Notice, Owner
from touchline_server.core.players.access import Access
from touchline_server.core.players.action_session import ActionSession
from touchline_server.core.players.grants import Grant
from touchline_server.core.presence.board import PresenceBoard
from touchline_server.core.rooms.hub import Hub
from touchline_server.core.rooms.room import Delivery, Room, Write
from touchline_server.core.subscriber import Subscriber
from touchline_server.core.subscription import Phase, Subscription

from .limits import ClientLimits, ClientRates


class ClientState(Enum):
    """Where a client is; see `conversation.TRANSITIONS`. ENTERING: the player store has been asked about its hello, and
    until the answer its messages wait with the shell (`InputScheduler.hold`)."""

    AWAITING_HELLO = auto()
    ENTERING = auto()
    OPEN = auto()
    CLOSED = auto()


class Client(Subscriber[Owner, "Client[Owner]"]):
    """One client.

    ``session_name`` is given to a client that brings none. ``presented`` is the grant of a token that it presented
    before its first message. ``grant`` is what it was let in with, ``action_session`` what it acts in. ``work`` is what
    its messages caused beyond their frames, in units of `input_scheduler`, until the edge has counted it.
    ``refusals`` counts those of the message that is being answered. ``single_room``: it cannot send messages, so it is
    gone with its one room. ``hello`` is kept until it is answered.
    """

    __slots__ = (
        "_notices",
        "_output",
        "access",
        "action_session",
        "grant",
        "hello",
        "limits",
        "player",
        "presence",
        "presented",
        "rates",
        "refusals",
        "session_name",
        "single_room",
        "state",
        "work",
    )

    def __init__(
        self,
        owner: Owner,
        hub: "Hub[Subscription[Client[Owner]]]",
        access: "Access[Client[Owner]]",
        presence: "PresenceBoard[Subscription[Client[Owner]]]",
        codec: Codec,
        limits: ClientLimits,
        write: Write,
        session_name: str,
        presented: Grant | None = None,
    ) -> None:
        super().__init__(owner, hub, codec, write)
        self.access = access
        self.presence = presence
        self.state = ClientState.AWAITING_HELLO
        self.work = 0
        self.grant: Grant | None = None
        self.player: str | None = None
        """The player that it signed in as. It stays after the end, for those who report the end."""
        self.action_session: ActionSession[Client[Owner]] | None = None
        self.hello: Hello | None = None
        self.single_room = False
        self.presented = presented
        self.limits = limits
        self.rates = ClientRates(limits.rates)
        self.refusals = 0
        self.session_name = session_name
        self._output: list[bytes] = []
        self._notices: list[Notice[Owner]] = []

    def send(self, message: Message, agent: str | None = None) -> None:
        """Send a message with the next `take_effects`. ``agent``: what the client calls itself, for an operator."""
        self._output.append(self.codec.frame(message))
        if isinstance(message, Notable):
            self._count(message)
            if len(self._notices) >= NOTICES_MAX:
                return
            self._notices.append(Notice(self.owner, message, self.grant and self.grant.player, agent))

    def _count(self, message: Notable) -> None:
        counters = self.access.counters
        match message:
            case Error():
                counters.errors[message.code] += 1
            case Verdict():
                counters.verdicts[message.kind] += 1
            case Welcome():
                counters.welcomed += 1

    def send_error(
        self,
        error: codes.ErrorCode,
        message: str,
        room: str | None = None,
        request_id: int | None = None,
        retry_ms: int | None = None,
    ) -> None:
        """Refuse what the client asked for. This counts towards its rate of refusals."""
        self.refusals += 1
        self.send(Error(error.code, message, room and room[:200], request_id, retry_ms))

    def sign_in(self, grant: Grant | None) -> None:
        """Let it in with a grant; None if no token is required, and it presented none."""
        self.grant = grant
        if grant is not None:
            self.player = grant.player
            self.access.enter(self, grant)

    def enter(self, room: "ClientRoom[Owner]", request: RoomRequest, request_id: int | None) -> None:
        """Join a room that it is not in."""
        subscription = self.join(self, room, request, request_id, self.limits.replay_records_max)
        self.access.counters.joins += 1
        self.presence.join(subscription, self.codec, request, self.grant and self.grant.player)

    def leave(self, subscription: "Subscription[Client[Owner]]", *, is_lost: bool = False) -> None:
        """Leave a room. ``is_lost``: it has lost its connection, and may come back."""
        player = self.grant and self.grant.player
        self.presence.leave(subscription, self.codec, subscription.request, player, is_lost=is_lost)
        super().leave(subscription)

    def enforce(self, verdict: Verdict) -> None:
        """Tell the client of a verdict about its player, and close it if that bans."""
        if self.state is ClientState.OPEN:
            self.send(verdict)
            if verdict.kind == "ban":
                self.closing = codes.BANNED

    def lose_session(self) -> None:
        """Another connection goes on with this client's action session."""
        self.action_session = None
        self.closing = codes.SESSION_REPLACED

    def refuse(self, subscription: "Subscription[Client[Owner]]", error: codes.ErrorCode, message: str) -> None:
        """Drop a subscription through no fault of the client, and tell it why."""
        request_id = subscription.request_id if subscription.phase is Phase.JOINING else None  # otherwise answered
        self.leave(subscription)
        self.send(Error(code=error.code, message=message, room=subscription.room.name, id=request_id))

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
        self.leave_edge(now, may_return=code is not codes.BANNED)
        return Close(self.owner, code)

    def leave_edge(self, now: Now, *, may_return: bool = True) -> None:
        """The connection is gone or going: leave all rooms, sign out, and forget what was to be sent."""
        self.state = ClientState.CLOSED
        self.closing = None
        self._output.clear()
        for subscription in list(self.subscriptions.values()):
            self.leave(subscription, is_lost=may_return)
        self._behind = None
        if self.grant is not None:
            self.access.leave(self, self.grant)
            self.grant = None
        if self.action_session is not None:
            self.access.leave_session(self.action_session, now.loop_ms)
            self.action_session = None


ClientSubscription: TypeAlias = Subscription[Client[Owner]]
ClientRoom: TypeAlias = Room[ClientSubscription[Owner]]
ClientHub: TypeAlias = Hub[ClientSubscription[Owner]]
