"""The actions of a client on their way into the log: numbered, sent, sent again if necessary, and answered once.

    an action is  what happens                                        next
    WAITING       the window has room: it gets its id and is sent     SENT
    WAITING       it is withdrawn, or this server would not take it   over
    SENT          ack                                                 over    acknowledged
    SENT          nack: refused                                       over
    SENT          nack: later, for it or for one before it            BACK    it and all after it, after a pause
    SENT          the connection is lost                              BACK
    SENT          it was first sent too long ago                      over    in doubt
    BACK          its turn has come                                   SENT
    BACK          an answer to an earlier copy, other than "later"    over
    BACK          it was first sent too long ago                      over    in doubt

Ids count within a session of one player. This is go-back-N: an action that is sent again is sent together with all that
were sent after it, in order, so that the log has a player's actions in the player's order.

Rules:

1. An action gets its id when it is first sent, so one that is withdrawn before that leaves no hole.
2. The ids on their way span at most the window: `ACTIONS_WINDOW_MAX`, or what the server allows if that is less.
3. An unanswered action before this one was sent before it on this connection. If the previous id is not on its way and
   was not acknowledged here (it was refused, given up, or is another edge's to answer), ``prev`` names the last one
   that may still be missing, 0 for none. An edge that knows less or more than this one then sees no gap.
4. For an action that was sent more than once, "duplicate" is an acknowledgement. Otherwise another client is using the
   same session.
5. A refusal means that the action was not done this time. If an earlier copy may have been done, because its answer was
   lost with the connection or the log failed under it, the outcome is in doubt.
6. `ACTION_RESEND_S_MAX` after an action was first sent it is not sent again, and its outcome is in doubt.
7. After "later" only one action is sent, and twice as many with each one that is resolved (slow start, RFC 5681): while
   the log is away, all clients together must not keep an edge busy with actions that it cannot take.
8. Actions are sent at the pace that the server announces (`Pace`), those that are sent again too: one that comes too
   early is refused, and all that are on their way behind it.
9. No event loop, socket or clock: times are passed in, in seconds on any clock that never goes back.
"""

from collections import deque

from touchline.errors import ActionInDoubt, ActionRefused, ActionsFull
from touchline_protocol.codecs import Codec
from touchline_protocol.codes import (
    ACTION_TOO_LARGE,
    DUPLICATE_ID,
    ID_GAP,
    LOG_UNAVAILABLE,
    NACKS,
    RATE_LIMITED,
    Recovery,
)
from touchline_protocol.limits import ACTION_RESEND_S_MAX
from touchline_protocol.messages import Limits, Nack, Welcome
from touchline_protocol.printable import counted

from .pace import Pace
from .pending_action import Outcome, PendingAction, Receipt

ACTIONS_WINDOW_MAX = 32
"""Actions on their way. With a round trip of 100 ms that is 320 a second, more than a player does; and it is how many
have to be sent again after a lost connection."""

RETRY_S_MAX = 60.0
"""The longest pause that a server can ask for: a mistake there must not silence a player for long."""

RETRY_SPREAD = 0.25
"""How much of a pause is added at random: clients that were all refused when the log went away do not come at once."""

ACTIONS_DISABLED = "actions_disabled"
"""The code of a refusal that no server sends: the welcome says that this server takes no actions."""


class Outbox:
    """All unanswered actions of a client, at most ``actions_max``.

    ``session`` is the name to continue with in the next hello; None before the first welcome.
    """

    def __init__(self, codec: Codec, actions_max: int) -> None:
        self.session: str | None = None
        self._codec = codec
        self._actions_max = actions_max
        self._player: str | None = None
        self._limits = Limits(message_bytes_max=0, rooms_max=0)
        self._waiting: deque[PendingAction] = deque()
        self._numbered: dict[int, PendingAction] = {}  # in the order of their ids
        self._next_id = 1
        self._next_to_send = 1  # of the numbered ones: this one and those after it are to be sent, again or first
        self._newest_acked = 0  # on this connection
        self._retry_at: float | None = None
        self._send_window = ACTIONS_WINDOW_MAX
        self._pace = Pace()
        self._is_paced = False  # an action waits for its time alone
        self._outcomes: list[tuple[PendingAction, Outcome]] = []

    def submit(self, room: str, kind: str, data: bytes, traceparent: str | None = None) -> PendingAction:
        """Take an action; ``data`` is JSON, and ``traceparent`` is valid.

        Raises:
            ActionRefused: this server would not take it.
            ActionsFull: too many actions are waiting for their answers.
        """
        action = PendingAction(room, kind, data, self._codec, traceparent)
        if (refusal := self._refusal(action)) is not None:
            raise refusal
        if len(self._waiting) + len(self._numbered) >= self._actions_max:
            raise ActionsFull(
                f"{counted(self._actions_max, 'unanswered action')}, which is all that actions_buffer_max allows: "
                "act less often, or wait for the answers"
            )
        self._waiting.append(action)
        return action

    def withdraw(self, action: PendingAction) -> None:
        """The caller no longer wants the outcome. An action that was sent keeps its id, and its answer is dropped."""
        action.awaited = False
        if action.id is None and action in self._waiting:
            self._waiting.remove(action)

    # What the connection says.

    def welcome(self, welcome: Welcome) -> None:
        """A connection begins. Actions of another session are in doubt; what this server would not take is refused."""
        same_session = welcome.session == self.session
        if not same_session or welcome.player != self._player:
            for number in list(self._numbered):
                self._doubt(number, "the server began a new session")
        if not same_session:
            self._next_id = self._next_to_send = 1
        self.session, self._player, self._limits = welcome.session, welcome.player, welcome.limits
        self._pace.begin(self._limits)
        for action in list(self._waiting):
            if (refusal := self._refusal(action)) is not None:
                self._waiting.remove(action)
                self._resolve(action, refusal)

    def connection_lost(self) -> None:
        """All numbered actions are to be sent again on the next connection."""
        for number, action in self._numbered.items():
            action.may_be_done |= number < self._next_to_send
        self._next_to_send = next(iter(self._numbered), self._next_id)
        self._newest_acked = 0
        self._retry_at = None
        self._is_paced = False

    def ack(self, number: int) -> None:
        """The action is in the server's log."""
        action = self._numbered.pop(number, None)
        if action is not None:
            self._newest_acked = max(self._newest_acked, number)
            self._widen()
            self._resolve(action, Receipt(action.session, number))

    def nack(self, nack: Nack, now_s: float, delay_s: float, spread: float) -> None:
        """The server does not take the action, or not now. ``delay_s`` is the pause if the server names none, and
        ``spread``, from 0 to 1, how much of `RETRY_SPREAD` is added to it."""
        action = self._numbered.get(nack.id)
        if action is None:
            return
        known = NACKS.get(nack.code)
        action.may_be_done |= nack.code == LOG_UNAVAILABLE.code
        if nack.retry_ms is None and (known is None or known.recovery is Recovery.GIVE_UP):
            if nack.code == DUPLICATE_ID.code and action.send_count > 1:
                self.ack(nack.id)
            else:
                self._refuse(action, nack)
        elif nack.id < self._next_to_send:
            retry_s = delay_s if nack.retry_ms is None else max(nack.retry_ms, 0) / 1000
            is_paced = nack.code == RATE_LIMITED.code
            self._retry_at = now_s + min(retry_s, RETRY_S_MAX) * (1 if is_paced else 1 + RETRY_SPREAD * spread)
            if is_paced:
                self._pace.hold(self._retry_at)
            self._next_to_send = self._resend_from(nack)
            self._send_window = 1

    # When to do what.

    @property
    def deadlines(self) -> list[float]:
        """When to call `tick`."""
        oldest = next(iter(self._numbered.values()), None)
        times = [] if oldest is None else [oldest.first_sent_s + ACTION_RESEND_S_MAX]
        if self._retry_at is not None:
            return [*times, self._retry_at]
        return [*times, self._pace.next_s] if self._is_paced else times

    def tick(self, now_s: float) -> None:
        """End a pause that is over, and give up actions that are too old."""
        if self._retry_at is not None and now_s >= self._retry_at:
            self._retry_at = None
        for number, action in list(self._numbered.items()):
            if now_s < action.first_sent_s + ACTION_RESEND_S_MAX:
                break
            self._doubt(number, f"no answer arrived within {ACTION_RESEND_S_MAX} s")

    def take_output(self, now_s: float) -> list[bytes]:
        """The payloads to send now, on a connection that has its welcome."""
        output: list[bytes] = []
        self._is_paced = False
        if self._retry_at is not None:
            return output
        self.tick(now_s)
        free = self._send_window - sum(number < self._next_to_send for number in self._numbered)
        for number in [number for number in self._numbered if number >= self._next_to_send]:
            if free <= 0 or not self._take_pace(now_s):
                return output
            free -= 1
            self._send(number, self._numbered[number], output)
        while self._waiting and self._has_room and free > 0 and self._take_pace(now_s):
            free -= 1
            action = self._numbered[self._next_id] = self._waiting.popleft()
            action.id, action.session, action.first_sent_s = self._next_id, self.session or "", now_s
            self._next_id += 1
            self._send(action.id, action, output)
        return output

    def take_outcomes(self) -> list[tuple[PendingAction, Outcome]]:
        """What became of actions, in order, except for those that were withdrawn."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    # Inside.

    def _refuse(self, action: PendingAction, nack: Nack) -> None:
        del self._numbered[nack.id]
        self._widen()
        why = f"{action.kind} in {action.room}: {nack.message} ({nack.code})"
        if action.may_be_done:
            self._resolve(action, ActionInDoubt(f"{why}; an earlier copy of it may have been done"))
        else:
            self._resolve(action, ActionRefused(nack.code, why))

    def _take_pace(self, now_s: float) -> bool:
        self._is_paced = not self._pace.take(now_s)
        return not self._is_paced

    def _widen(self) -> None:
        self._send_window = min(self._send_window * 2, ACTIONS_WINDOW_MAX)

    @property
    def _has_room(self) -> bool:
        oldest = next(iter(self._numbered), self._next_id)
        return self._next_id - oldest < min(ACTIONS_WINDOW_MAX, self._limits.actions_window)

    def _resend_from(self, nack: Nack) -> int:
        """The refused action; after "a gap", the first one that may be what is missing."""
        return next(iter(self._numbered)) if nack.code == ID_GAP.code else nack.id

    def _send(self, number: int, action: PendingAction, output: list[bytes]) -> None:
        payload = self._codec.encode(action.message(number, self._prev(number)))
        self._next_to_send = number + 1
        if len(payload) > self._limits.message_bytes_max:  # it was not too large for another edge
            self._doubt(number, "it is too large to be sent again to this server")
            return
        action.send_count += 1
        output.append(payload)

    def _prev(self, number: int) -> int | None:
        """What to say about the actions before this one; see rule 3."""
        if number - 1 in self._numbered or number - 1 == self._newest_acked:
            return None
        return max((before for before in self._numbered if before < number), default=0)

    def _refusal(self, action: PendingAction) -> ActionRefused | None:
        """Why this server would not take the action."""
        limits = self._limits
        if not limits.actions_window:
            return ActionRefused(ACTIONS_DISABLED, "this server takes no actions: its operator has to enable them")
        if action.size_bytes > limits.action_bytes_max:
            text = f"the data takes {action.size_bytes} bytes as JSON, and this server takes {limits.action_bytes_max}"
            return ActionRefused(ACTION_TOO_LARGE.code, text)
        size_bytes = len(self._codec.encode(action.largest_message()))
        if size_bytes > limits.message_bytes_max:
            text = f"the message would take {size_bytes} bytes, and this server takes {limits.message_bytes_max}"
            return ActionRefused(ACTION_TOO_LARGE.code, text)
        return None

    def _doubt(self, number: int, why: str) -> None:
        action = self._numbered.pop(number)
        self._resolve(action, ActionInDoubt(f"{action.kind} in {action.room} may have been done or not: {why}"))

    def _resolve(self, action: PendingAction, outcome: Outcome) -> None:
        if action.awaited:
            self._outcomes.append((action, outcome))
