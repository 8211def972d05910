"""What a player does, on its way into the log: numbered, sent, sent again where it has to be, and answered once.

    an action is  what happens                                        next
    WAITING       the window has room: it gets its id and is sent     SENT
    WAITING       it is withdrawn, or this server would not take it   over
    SENT          ack                                                 over    acknowledged
    SENT          nack: refused                                       over
    SENT          nack: later, for it or for one before it            BACK    it and all after it, after a rest
    SENT          the connection is lost                              BACK
    SENT          it was sent first too long ago                      over    nobody knows whether it was done
    BACK          its turn has come                                   SENT
    BACK          an answer to an earlier sending, but "later"        over
    BACK          it was sent first too long ago                      over    nobody knows whether it was done

Ids are those of a numbering, which is a session's of a player. This is go-back-N, as in TCP's ancestors: what is sent
again is sent with all that was sent after it, in order, so that the log has a player's actions in the player's order.

Rules:

1. An id is given when an action is sent first, so one that is withdrawn before leaves no hole.
2. The ids on their way span at most the window: `WINDOW_ACTIONS_MAX`, or what the server allows if that is less.
3. Of the actions before one, those not answered were sent before it on this connection. Where the id before it is not
   on its way and was not acknowledged here (it was refused, given up, or another edge's to answer), ``prev`` says which
   one before it may still be missing, 0 for none: an edge that knows less, or more, sees no gap then.
4. "Replayed" is an acknowledgement for what was sent more than once; else somebody else uses the numbering.
5. A refusal says that it was not done now. Where an earlier sending may have been, as its answer was lost with the
   connection or the log failed under it, its outcome is in doubt.
6. `ACTION_RESEND_S_MAX` after an action was sent first it is not sent again, and its outcome is in doubt.
7. After "later" one action alone is sent, and twice as many with each that is decided (slow start, RFC 5681): while the
   log is away, all clients together must not keep an edge busy with what it cannot take.
8. No loop, no socket, no clock: times are handed in, seconds on any clock that never goes back.
"""

from collections import deque
from typing import NamedTuple, TypeAlias

import msgspec

from touchline.errors import ActionInDoubt, ActionRefused, ActionsFull
from touchline_protocol.codecs import Codec
from touchline_protocol.codes import ACTION_TOO_LARGE, DUPLICATE_ID, ID_GAP, LOG_UNAVAILABLE, NACKS, Recovery
from touchline_protocol.limits import ACTION_RESEND_S_MAX
from touchline_protocol.messages import Action, Limits, Nack, Welcome

ACTIONS_WINDOW_MAX = 32
"""Actions on their way. At 100 ms to the server and back that is 320 a second, more than a player does; and it is what
a lost connection makes us send again."""

REST_S_MAX = 60.0
"""The longest that a server can make us rest: a mistake of its must not silence a player for long."""

ACTIONS_DISABLED = "actions_not_taken"
"""The code of a refusal that no server sends: this one's welcome says that it takes no actions."""

_ID_MAX = 2**53 - 1


class PendingAction:
    """An action of a user's. ``data`` is JSON; ``id`` is None until it is sent, ``session`` is whose id it is."""

    __slots__ = (
        "awaited",
        "data",
        "first_sent_s",
        "id",
        "kind",
        "may_be_done",
        "room",
        "send_count",
        "session",
        "size_bytes",
    )

    def __init__(self, room: str, kind: str, data: bytes, codec: Codec) -> None:
        self.room = room
        self.kind = kind
        self.data: msgspec.Raw = codec.value(data)
        self.size_bytes = len(data)
        self.session = ""
        self.id: int | None = None
        self.send_count = 0
        self.may_be_done = False  # an earlier sending was not answered, or the log may have taken it all the same
        self.first_sent_s = 0.0
        self.awaited = True

    def message(self, number: int, prev: int | None) -> Action:
        """It as a message."""
        return Action(id=number, room=self.room, kind=self.kind, data=self.data, prev=prev)


class Receipt(NamedTuple):
    """An action that is in the log, durably: there (player, ``session``, ``id``) names it."""

    session: str
    id: int


Outcome: TypeAlias = Receipt | ActionRefused | ActionInDoubt


class Outbox:
    """All actions of a client that are not answered: at most ``actions_max``.

    ``session`` is the name to go on with in the next hello, None before the first welcome.
    """

    def __init__(self, codec: Codec, actions_max: int) -> None:
        self.session: str | None = None
        self._codec = codec
        self._actions_max = actions_max
        self._player: str | None = None
        self._limits = Limits(message_bytes_max=0, rooms_max=0)
        self._waiting: deque[PendingAction] = deque()
        self._numbered: dict[int, PendingAction] = {}  # in order of ids
        self._id_next = 1  # to be given
        self._send_next = 1  # of the numbered ones: it and those after it are to be sent, again or first
        self._acked = 0  # the newest acknowledged on this connection
        self._rest_until: float | None = None
        self._open = ACTIONS_WINDOW_MAX  # how many may be on their way now
        self._outcomes: list[tuple[PendingAction, Outcome]] = []

    def add(self, room: str, kind: str, data: bytes) -> PendingAction:
        """Take an action; ``data`` is JSON.

        Raises:
            ActionRefused: this server would not take it.
            ActionsFull: as many as are allowed wait for their answers.
        """
        act = PendingAction(room, kind, data, self._codec)
        if (refused := self._unfit(act)) is not None:
            raise refused
        if len(self._waiting) + len(self._numbered) >= self._actions_max:
            raise ActionsFull(
                f"{self._actions_max} actions wait for their answers, as many as actions_buffer_max allows: "
                "act less often, or wait until those are answered"
            )
        self._waiting.append(act)
        return act

    def withdraw(self, act: PendingAction) -> None:
        """Nobody waits for it any more. One that was sent keeps its id, and its answer is passed over."""
        act.awaited = False
        if act.id is None and act in self._waiting:
            self._waiting.remove(act)

    # What the connection says.

    def welcome(self, welcome: Welcome) -> None:
        """A connection begins: what it does not number on from is in doubt, what it would not take is refused."""
        same_session = welcome.session == self.session
        if not same_session or welcome.player != self._player:
            for number in list(self._numbered):
                self._doubt(number, "the server began a new numbering")
        if not same_session:
            self._id_next = self._send_next = 1
        self.session, self._player, self._limits = welcome.session, welcome.player, welcome.limits
        for act in list(self._waiting):
            if (refused := self._unfit(act)) is not None:
                self._waiting.remove(act)
                self._decide(act, refused)

    def lost(self) -> None:
        """The connection is no more: all that is numbered is to be sent again on the next one."""
        for number, act in self._numbered.items():
            act.may_be_done |= number < self._send_next
        self._send_next = next(iter(self._numbered), self._id_next)
        self._acked = 0
        self._rest_until = None

    def acked(self, number: int) -> None:
        """The server has it in its log."""
        act = self._numbered.pop(number, None)
        if act is not None:
            self._acked = max(self._acked, number)
            self._open_wider()
            self._decide(act, Receipt(act.session, number))

    def nacked(self, nack: Nack, now_s: float, delay_s: float) -> None:
        """The server does not take it, or not now; ``delay_s`` is how long to rest where the server does not say."""
        act = self._numbered.get(nack.id)
        if act is None:
            return
        known = NACKS.get(nack.code)
        act.may_be_done |= nack.code == LOG_UNAVAILABLE.code
        if nack.retry_ms is None and (known is None or known.recovery is Recovery.GIVE_UP):
            if nack.code == DUPLICATE_ID.code and act.send_count > 1:
                self.acked(nack.id)
            else:
                self._refused(act, nack)
        elif nack.id < self._send_next:
            rest_s = delay_s if nack.retry_ms is None else max(nack.retry_ms, 0) / 1000
            self._rest_until = now_s + min(rest_s, REST_S_MAX)
            self._send_next = self._missing(nack)
            self._open = 1

    # When to do what.

    @property
    def deadlines(self) -> list[float]:
        """When to call `tick`."""
        oldest = next(iter(self._numbered.values()), None)
        times = [] if oldest is None else [oldest.first_sent_s + ACTION_RESEND_S_MAX]
        return times if self._rest_until is None else [*times, self._rest_until]

    def tick(self, now_s: float) -> None:
        """Do what is due: end a rest, give up what is too old."""
        if self._rest_until is not None and now_s >= self._rest_until:
            self._rest_until = None
        for number, act in list(self._numbered.items()):
            if now_s < act.first_sent_s + ACTION_RESEND_S_MAX:
                break
            self._doubt(number, f"no answer came within {ACTION_RESEND_S_MAX} s")

    def take_output(self, now_s: float) -> list[bytes]:
        """The payloads to send now, on a connection that was welcomed."""
        output: list[bytes] = []
        if self._rest_until is not None:
            return output
        self.tick(now_s)
        free = self._open - sum(number < self._send_next for number in self._numbered)
        for number in [number for number in self._numbered if number >= self._send_next]:
            if free <= 0:
                return output
            free -= 1
            self._send(number, self._numbered[number], output)
        while self._waiting and self._has_room and free > 0:
            free -= 1
            act = self._numbered[self._id_next] = self._waiting.popleft()
            act.id, act.session, act.first_sent_s = self._id_next, self.session or "", now_s
            self._id_next += 1
            self._send(act.id, act, output)
        return output

    def take_outcomes(self) -> list[tuple[PendingAction, Outcome]]:
        """What became of actions, in order, but of those that were withdrawn."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    # Within.

    def _refused(self, act: PendingAction, nack: Nack) -> None:
        del self._numbered[nack.id]
        self._open_wider()
        why = f"{act.kind} in {act.room}: {nack.message} ({nack.code})"
        if act.may_be_done:
            text = f"{why}; it was sent before, and it is not known whether it was done then"
            self._decide(act, ActionInDoubt(text))
        else:
            self._decide(act, ActionRefused(nack.code, why))

    def _open_wider(self) -> None:
        self._open = min(self._open * 2, ACTIONS_WINDOW_MAX)

    @property
    def _has_room(self) -> bool:
        oldest = next(iter(self._numbered), self._id_next)
        return self._id_next - oldest < min(ACTIONS_WINDOW_MAX, self._limits.actions_window)

    def _missing(self, nack: Nack) -> int:
        """Where to go back to: to what was refused; after "a gap" to the first that may be what is missing."""
        return next(iter(self._numbered)) if nack.code == ID_GAP.code else nack.id

    def _send(self, number: int, act: PendingAction, output: list[bytes]) -> None:
        payload = self._codec.encode(act.message(number, self._prev(number)))
        self._send_next = number + 1
        if len(payload) > self._limits.message_bytes_max:  # of another edge it was none too large
            self._doubt(number, "it is too large to be sent again to this server")
            return
        act.send_count += 1
        output.append(payload)

    def _prev(self, number: int) -> int | None:
        """What to say of the actions before this one; see rule 3."""
        if number - 1 in self._numbered or number - 1 == self._acked:
            return None
        return max((before for before in self._numbered if before < number), default=0)

    def _unfit(self, act: PendingAction) -> ActionRefused | None:
        """Why this server would not take it."""
        limits = self._limits
        if not limits.actions_window:
            return ActionRefused(ACTIONS_DISABLED, "this server takes no actions: its operator has to turn them on")
        if act.size_bytes > limits.action_bytes_max:
            text = f"the data has {act.size_bytes} bytes as JSON, and this server takes {limits.action_bytes_max}"
            return ActionRefused(ACTION_TOO_LARGE.code, text)
        size_bytes = len(self._codec.encode(act.message(_ID_MAX, _ID_MAX)))
        if size_bytes > limits.message_bytes_max:
            text = f"the message would have {size_bytes} bytes, and this server takes {limits.message_bytes_max}"
            return ActionRefused(ACTION_TOO_LARGE.code, text)
        return None

    def _doubt(self, number: int, why: str) -> None:
        act = self._numbered.pop(number)
        self._decide(act, ActionInDoubt(f"it is not known whether {act.kind} in {act.room} was done: {why}"))

    def _decide(self, act: PendingAction, outcome: Outcome) -> None:
        if act.awaited:
            self._outcomes.append((act, outcome))
