"""Actions: from a message of a player to a record that waits for the log, and the answer once the log has it.

Handed sessions, messages and times; hands the shell a batch to append (`batch`), and is told how that went (`settle`).
Answers go into the sessions' output; which sessions those are is handed back, to be written.

Rules:

1. What is appended is in the order of each session's ids. So batches are appended one after the other; what comes
   meanwhile waits for the next. When one fails, all that waits goes back to who sent it.
2. A refusal for good uses the id up, any other leaves it free: then the session goes back to it.
3. Nothing waits without a bound, in ids (``actions_window``) or in all (``waiting_max``).
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from touchline_protocol import codes
from touchline_protocol.actions import ActionRecord, action_headers, encode_action, json_data
from touchline_protocol.codecs import Codec
from touchline_protocol.errors import BadRecord, BadRoom
from touchline_protocol.limits import ACTION_RESEND_S_MAX
from touchline_protocol.messages import Ack, Action, Nack
from touchline_protocol.rooms import split_room

from .action_session import Numbering, Place
from .grants import Grant, Refusal
from .players import Players

if TYPE_CHECKING:
    from .client import Session

Check: TypeAlias = Callable[[str, str, bytes], Refusal | None]
"""Why data is not what a feed's schema for a kind asks for: called with feed, kind and JSON."""

NUMBERINGS_KEPT_MAX = 100_000
"""Of sessions that are not connected now, so that one that comes back is known: some 500 bytes each."""

BATCH_MAX = 512
"""Actions of one append. While it is under way the next ones gather: under load batches are large, otherwise small."""


class ActionLimits(NamedTuple):
    """What an edge takes; `touchline_server.config.tables` has the reasons."""

    edge: str
    data_bytes_max: int
    actions_window: int
    waiting_max: int
    retry_ms: int


class Malformed(NamedTuple):
    """An action of which only the id can be read, and why."""

    id: int
    why: str
    prev: int | None = None


class Draft(NamedTuple):
    """An action that waits for the log: whose it is, and its record."""

    numbering: Numbering
    id: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    received_ms: int


class Actions:
    """All actions of an edge that the log does not have yet. ``away`` is why it takes none now, in words."""

    def __init__(self, players: Players, feeds: Collection[str], limits: ActionLimits, check: Check) -> None:
        self.limits = limits
        self.away: str | None = None
        self.waiting = 0
        self._players = players
        self._feeds = feeds
        self._check = check
        self._drafts: deque[Draft] = deque()
        self._numberings: dict[tuple[str, str], Numbering] = {}
        self._left: dict[tuple[str, str], Numbering] = {}  # the one that left first comes first

    def enter(self, session: "Session", player: str, name: str, *, continued: bool) -> "Session | None":
        """A session acts under a name from now on. Returns the one that did so until now, which is to be closed."""
        key = (player, name)
        numbering = self._numberings.get(key)
        if numbering is None:
            numbering = self._numberings[key] = Numbering(player, name)
        if continued:
            numbering.come_back()
        self._left.pop(key, None)
        replaced, numbering.session = numbering.session, session
        session.numbering = numbering
        if replaced is not None:
            replaced.numbering = None
            replaced.closing = codes.SESSION_REPLACED
        return replaced

    def leave(self, session: "Session", now_ms: int) -> None:
        """A session's connection is gone; its numbering is kept for as long as it may come back with it."""
        numbering, session.numbering = session.numbering, None
        if numbering is None:
            return
        numbering.session = None
        key = (numbering.player, numbering.name)
        if numbering.is_unused:
            del self._numberings[key]
            return
        numbering.left_ms = now_ms
        self._left[key] = numbering
        if len(self._left) > NUMBERINGS_KEPT_MAX:
            self._forget(next(iter(self._left)))

    def tidy(self, now_ms: int) -> None:
        """Forget the numberings that nobody may go on with any more."""
        while self._left:
            key, numbering = next(iter(self._left.items()))
            if now_ms - numbering.left_ms < ACTION_RESEND_S_MAX * 1000:
                break
            self._forget(key)

    def take(self, session: "Session", action: Action | Malformed, now_ms: int) -> Nack | None:
        """An action of a session; returns why it is not taken. None: the answer comes, once the log has it."""
        numbering, grant = session.numbering, session.grant
        if numbering is None or grant is None:
            return Nack(id=action.id, code=codes.TOKEN_MISSING.code, message="only players act: say hello with a token")
        place = numbering.place(action.id, action.prev)
        if place is not Place.NEXT:
            return self._not_next(numbering, place, action.id)
        not_now = self._not_now(numbering, grant, action.id, now_ms)
        if not_now is not None:
            return not_now
        taken = self._read(session.codec, numbering.name, grant, action, now_ms)
        if not isinstance(taken, ActionRecord):
            code, message = taken
            nack = Nack(id=action.id, code=code.code, message=message)
            numbering.refuse(nack, self.limits.actions_window)
            return nack
        numbering.take(action.id)
        self.waiting += 1
        self._drafts.append(
            Draft(
                numbering,
                action.id,
                grant.player.encode(),
                encode_action(taken),
                action_headers(taken),
                now_ms,
            )
        )
        return None

    def batch(self) -> list[Draft]:
        """What is to be appended next, in order; the next batch is asked for once this one is settled."""
        drafts = self._drafts
        return [drafts.popleft() for _ in range(min(len(drafts), BATCH_MAX))]

    def settle(self, batch: Sequence[Draft], taken: int) -> "set[Session]":
        """The log has the first ``taken`` of a batch; for the rest, and all that waits, the sessions go back.

        Returns the sessions that were answered.
        """
        told: set[Session] = set()
        for draft in batch[:taken]:
            draft.numbering.confirm(draft.id)
            _answer(draft, Ack(id=draft.id), told)
        self.waiting -= taken
        if taken < len(batch):
            self._go_back([*batch[taken:], *self._drafts], told)
        return told

    def _go_back(self, failed: Sequence[Draft], told: "set[Session]") -> None:
        """None of these, which are all that waits, is in the log."""
        self._drafts.clear()
        self.waiting -= len(failed)
        for draft in reversed(failed):
            draft.numbering.go_back(draft.id)
        away = self.away or "the log did not take it; send it again"
        for draft in failed:
            _answer(draft, self._later(draft.id, codes.LOG_UNAVAILABLE, away), told)

    def _forget(self, key: tuple[str, str]) -> None:
        del self._left[key]
        del self._numberings[key]

    def _not_next(self, numbering: Numbering, place: Place, action_id: int) -> Nack | None:
        """What is said to an action that is not the next one; None where its answer is still to come."""
        if place is Place.WAITING:
            return None
        if place is Place.REFUSED:
            return numbering.refused[action_id]
        if place is Place.IN_LOG:
            return Nack(
                id=action_id,
                code=codes.DUPLICATE_ID.code,
                message=f"the ids of this session below {numbering.next_id} are used",
            )
        return self._later(action_id, codes.ID_GAP, f"{numbering.next_id} comes next: go on from there, in order")

    def _not_now(self, numbering: Numbering, grant: Grant, action_id: int, now_ms: int) -> Nack | None:
        """Why an action cannot be taken now, though it may be later."""
        if grant.expires_ms <= now_ms:
            return self._later(action_id, codes.NACK_TOKEN_EXPIRED, "the token's time is over")
        if self.away is not None:
            return self._later(action_id, codes.LOG_UNAVAILABLE, self.away)
        if numbering.is_full(action_id, self.limits.actions_window) or self.waiting >= self.limits.waiting_max:
            return self._later(action_id, codes.TOO_MANY_UNACKED, "too many actions wait for the log: wait for answers")
        wait_ms = self._players.take(grant.player, now_ms)
        if wait_ms:
            return self._later(action_id, codes.RATE_LIMITED, "the player acts too often", wait_ms)
        return None

    def _read(
        self, codec: Codec, name: str, grant: Grant, action: Action | Malformed, now_ms: int
    ) -> ActionRecord | Refusal:
        """The record of an action, or why there is to be none."""
        if isinstance(action, Malformed):
            return codes.ACTION_MALFORMED, action.why
        verdict = self._players.verdicts.of(grant.player, now_ms)
        if verdict is not None:
            return codes.MUTED, f"{verdict.kind}: {verdict.reason}"
        try:
            feed, _ = split_room(action.room)
        except BadRoom as error:
            return codes.ACTION_BAD_ROOM, str(error)
        if feed not in self._feeds:
            return codes.ACTION_BAD_ROOM, f"there is no feed {feed!r} here"
        if not grant.act.allow(action.room):
            return codes.ACTION_FORBIDDEN, f"the token's act does not name {action.room}"
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
            received_ms=now_ms,
            edge=self.limits.edge,
        )

    def _later(self, action_id: int, code: codes.ErrorCode, message: str, retry_ms: int | None = None) -> Nack:
        return Nack(id=action_id, code=code.code, message=message, retry_ms=retry_ms or self.limits.retry_ms)


def _answer(draft: Draft, answer: Ack | Nack, told: "set[Session]") -> None:
    """Say what became of an action, where its client is connected."""
    session = draft.numbering.session
    if session is not None:
        session.send(answer)
        told.add(session)
