"""The action queue: from a player's message to a record that waits for the log, and the answer once the log has it.

It hands the shell a batch to append (`next_batch`), and is given the outcome (`resolve`), which returns the answers.
Clients are opaque: whatever the layer above follows them by.

Rules:

1. Actions are appended in the order of each session's ids. So batches are appended one after the other; what comes in
   the meantime waits for the next. When one fails, everything that waits goes back to the clients that sent it.
2. A refusal for good uses its id up, any other leaves it free: then the session goes back to it. An action that the log
   itself refuses for good delays no other one.
3. While the queue is paused (`pause`) actions are refused at once, except one probe at a time, if the shell asks for it
   (`admit_probe`): what cannot be known without appending is found out with a single action.
4. Nothing waits without a bound, neither in ids (``actions_window``) nor in all (``waiting_max``).
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeAlias

import msgspec

from touchline_protocol import codes
from touchline_protocol.actions import ActionRecord, action_headers, encode_action, json_data
from touchline_protocol.codecs import Codec
from touchline_protocol.errors import BadRecord, BadRoom, RecordRefusal
from touchline_protocol.limits import ACTION_RESEND_S_MAX
from touchline_protocol.messages import Ack, Action, Nack
from touchline_protocol.rooms import split_room
from touchline_protocol.tracing.traceparent import traceparent_of
from touchline_server.core.clocks import LoopMs, Now
from touchline_server.core.counters.edge import ACKED, ActionCounters

from .action_clock import ActionClock
from .action_session import ActionSession, C, IdStatus
from .grants import Grant, Refusal
from .rate_limiter import RateLimiter
from .verdicts import Verdicts

Check: TypeAlias = Callable[[str, str, bytes], Refusal | None]
"""Why data does not satisfy a feed's schema for a kind, or None: called with feed, kind and JSON."""

SESSIONS_KEPT_MAX = 100_000
"""Sessions without a connection that are kept, so that a client that comes back is known: some 500 bytes each."""

BATCH_MAX = 512
"""Actions of one append. While it is under way the next ones gather: under load batches are large, otherwise small."""


class ActionLimits(NamedTuple):
    """What an edge takes; `touchline_server.config.tables` has the reasons."""

    edge: str
    data_bytes_max: int
    actions_window: int
    waiting_max: int
    retry_ms: int
    clock: str = "0"
    """A prefix for the names of clocks that no other process uses; see `ActionClock`."""


class Malformed(NamedTuple):
    """An action of which only the id can be read, and why."""

    id: int
    why: str
    prev: int | None = None


class PendingAction(NamedTuple, Generic[C]):
    """An action that waits for the log: its session, its record, when it came, and the client's span if it has one."""

    session: ActionSession[C]
    id: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    received_ms: int
    taken_ms: LoopMs
    traceparent: str | None = None


class Answer(NamedTuple, Generic[C]):
    """What became of an action, for the client that goes on with its session."""

    client: C
    message: Ack | Nack


class ActionQueue(Generic[C]):
    """All actions of an edge that the log does not have yet."""

    def __init__(
        self, limiter: RateLimiter, verdicts: Verdicts, feeds: Collection[str], limits: ActionLimits, check: Check
    ) -> None:
        self.limits = limits
        self.waiting = 0
        self.counters = ActionCounters()
        self._unavailable: str | None = None
        self._admits_probe = False
        self.limiter = limiter
        self._verdicts = verdicts
        self._feeds = feeds
        self._check = check
        self._clock = ActionClock(limits.clock)
        self._pending: deque[PendingAction[C]] = deque()
        self._sessions: dict[tuple[str, str], ActionSession[C]] = {}
        # The session that was left first comes first. Not a dict, which looks for its first entry past all that were
        # deleted before: to forget 100,000 at once took 3 s.
        self._left: OrderedDict[tuple[str, str], ActionSession[C]] = OrderedDict()

    def reload(self, limits: ActionLimits, check: Check) -> None:
        """Use other limits and another check from now on. The clock of actions goes on."""
        self.limits = limits._replace(clock=self.limits.clock)
        self._check = check

    @property
    def sessions(self) -> Mapping[tuple[str, str], ActionSession[C]]:
        """All sessions by player and name, those included whose client may still come back."""
        return self._sessions

    @property
    def has_pending(self) -> bool:
        """Whether there is a batch to append."""
        return bool(self._pending)

    @property
    def unavailable(self) -> str | None:
        """Why actions are refused now; None if they are taken."""
        return self._unavailable

    def pause(self, why: str) -> None:
        """Refuse all actions from now on."""
        self._unavailable = why
        self._admits_probe = False

    def admit_probe(self) -> None:
        """Take the next action although the queue is paused, to find out whether the log takes it."""
        self._admits_probe = True

    def resume(self) -> None:
        """Take all actions again."""
        self._unavailable = None
        self._admits_probe = False

    def enter(self, client: C, player: str, name: str, *, continued: bool) -> tuple[ActionSession[C], C | None]:
        """A client acts in a session from now on. Returns the session, and the client that it is taken from."""
        key = (player, name)
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = ActionSession(player, name)
        if continued:
            session.come_back()
        self._left.pop(key, None)
        replaced, session.client = session.client, client
        return session, replaced

    def leave(self, session: ActionSession[C], now_ms: LoopMs) -> None:
        """A session's connection is gone; the session is kept for as long as its client may come back to it."""
        session.client = None
        key = (session.player, session.name)
        if session.is_unused:
            del self._sessions[key]
            return
        session.left_ms = now_ms
        self._left[key] = session
        if len(self._left) > SESSIONS_KEPT_MAX:
            self._forget(next(iter(self._left)))

    def evict_idle(self, now_ms: LoopMs) -> None:
        """Forget the sessions that no client may go on with any more. Call this periodically."""
        while self._left:
            key, session = next(iter(self._left.items()))
            if now_ms - session.left_ms < ACTION_RESEND_S_MAX * 1000:
                break
            self._forget(key)

    def submit(
        self, session: ActionSession[C], grant: Grant, codec: Codec, action: Action | Malformed, now: Now
    ) -> Nack | None:
        """Take an action; returns why it is not taken. None: the answer comes once the log has it."""
        status = session.status_of(action.id, action.prev)
        if status is not IdStatus.NEXT:
            return self._not_next(session, status, action.id)
        not_now = self._not_now(session, grant, action.id, now)
        if not_now is not None:
            return not_now
        taken = self._read(codec, session.name, grant, action, now)
        if not isinstance(taken, ActionRecord):
            code, message = taken
            nack = Nack(id=action.id, code=code.code, message=message)
            session.refuse(nack, self.limits.actions_window)
            return nack
        session.take(action.id)
        self._admits_probe = False
        self.waiting += 1
        traceparent = _traceparent(action)
        record = (grant.player.encode(), encode_action(taken), action_headers(taken, traceparent))
        self._pending.append(PendingAction(session, action.id, *record, taken.received_ms, now.loop_ms, traceparent))
        return None

    def next_batch(self) -> list[PendingAction[C]]:
        """What is to be appended next, in order. Ask for the next batch once this one is resolved."""
        pending = self._pending
        return [pending.popleft() for _ in range(min(len(pending), BATCH_MAX))]

    def resolve(
        self,
        batch: Sequence[PendingAction[C]],
        written: int,
        now_ms: LoopMs,
        refused: Mapping[int, RecordRefusal] = MappingProxyType({}),
    ) -> list[Answer[C]]:
        """The log has the first ``written`` of a batch, except those that it ``refused``, by index, for good.

        The sessions of the rest, and of all that waits, go back. Returns the answers to the clients that are connected.
        """
        answers: list[Answer[C]] = []
        failed: list[PendingAction[C]] = []
        counters = self.counters
        for index, pending in enumerate(batch):
            if index in refused:
                why = "it is too large for the log" if refused[index].is_too_large else "the log's checks reject it"
                nack = Nack(id=pending.id, code=codes.ACTION_REFUSED.code, message=why)
                pending.session.refuse_waiting(nack)
                counters.outcomes[nack.code] += 1
                _answer(pending, nack, answers)
            elif index < written:
                pending.session.confirm(pending.id)
                counters.outcomes[ACKED] += 1
                counters.ack_ms.observe(now_ms - pending.taken_ms)
                _answer(pending, Ack(id=pending.id), answers)
            else:
                failed.append(pending)
        self.waiting -= len(batch) - len(failed)
        if failed:
            self._go_back([*failed, *self._pending], answers)
        return answers

    def _go_back(self, failed: Sequence[PendingAction[C]], answers: list[Answer[C]]) -> None:
        """None of these, which are all that waits, is in the log."""
        self._pending.clear()
        self.waiting -= len(failed)
        self.counters.outcomes[codes.LOG_UNAVAILABLE.code] += len(failed)
        for pending in reversed(failed):
            pending.session.go_back(pending.id)
        why = self._unavailable or "the log did not take it; send it again"
        for pending in failed:
            _answer(pending, self._later(pending.id, codes.LOG_UNAVAILABLE, why), answers)

    def _forget(self, key: tuple[str, str]) -> None:
        del self._left[key]
        del self._sessions[key]

    def _not_next(self, session: ActionSession[C], status: IdStatus, action_id: int) -> Nack | None:
        """The answer to an action that is not the next one; None if its answer is still to come."""
        if status is IdStatus.WAITING:
            return None
        if status is IdStatus.REFUSED:
            return session.refused[action_id]
        if status is IdStatus.IN_LOG:
            return Nack(
                id=action_id,
                code=codes.DUPLICATE_ID.code,
                message=f"this session has used all ids below {session.next_id}",
            )
        return self._later(action_id, codes.ID_GAP, f"the next id is {session.next_id}: go on from there, in order")

    def _not_now(self, session: ActionSession[C], grant: Grant, action_id: int, now: Now) -> Nack | None:
        """Why an action cannot be taken now, though it may be later."""
        if grant.ends_ms <= now.loop_ms:
            return self._later(action_id, codes.NACK_TOKEN_EXPIRED, "the token has expired")
        if self._verdicts.unread:
            return self._later(action_id, codes.LOG_UNAVAILABLE, "not all verdicts can be read yet: try again later")
        if self._unavailable is not None and not self._admits_probe:
            return self._later(action_id, codes.LOG_UNAVAILABLE, self._unavailable)
        if session.is_full(action_id, self.limits.actions_window) or self.waiting >= self.limits.waiting_max:
            return self._later(action_id, codes.TOO_MANY_UNACKED, "too many actions wait for the log: await answers")
        wait_ms = self.limiter.take(grant.player, now.loop_ms)
        if wait_ms:
            return self._later(action_id, codes.RATE_LIMITED, "the player acts too often", wait_ms)
        return None

    def _read(
        self, codec: Codec, name: str, grant: Grant, action: Action | Malformed, now: Now
    ) -> ActionRecord | Refusal:
        """Make an action's record, or say why there is to be none."""
        if isinstance(action, Malformed):
            return codes.ACTION_MALFORMED, action.why
        verdict = self._verdicts.of(grant.player, now.loop_ms)
        if verdict is not None:
            return codes.MUTED, f"{verdict.kind}: {verdict.reason}"
        try:
            feed, _ = split_room(action.room)
        except BadRoom as error:
            return codes.ACTION_BAD_ROOM, str(error)
        if feed not in self._feeds:
            return codes.ACTION_BAD_ROOM, f"this server does not carry the feed {feed!r}"
        if not grant.act.allow(action.room):
            return codes.ACTION_FORBIDDEN, f"the token's act does not allow {action.room}"
        try:
            data = json_data(codec, action.data)
        except BadRecord as error:
            return codes.ACTION_BAD_DATA, str(error)
        if len(data) > self.limits.data_bytes_max:
            return codes.ACTION_TOO_LARGE, f"{len(data)} bytes as JSON, at most {self.limits.data_bytes_max}"
        refusal = self._check(feed, action.kind, data)
        if refusal is not None:
            return refusal
        return ActionRecord(
            player=grant.player,
            room=action.room,
            kind=action.kind,
            data=msgspec.Raw(data),
            session=name,
            id=action.id,
            received_ms=self._clock.read(now),
            edge=self.limits.edge,
            clock=self._clock.name,
        )

    def _later(self, action_id: int, code: codes.ErrorCode, message: str, retry_ms: int | None = None) -> Nack:
        return Nack(id=action_id, code=code.code, message=message, retry_ms=retry_ms or self.limits.retry_ms)


def _traceparent(action: Action | Malformed) -> str | None:
    if isinstance(action, Malformed) or action.traceparent is None:
        return None
    return traceparent_of(action.traceparent)


def _answer(pending: PendingAction[C], message: Ack | Nack, answers: list[Answer[C]]) -> None:
    client = pending.session.client
    if client is not None:
        answers.append(Answer(client, message))
