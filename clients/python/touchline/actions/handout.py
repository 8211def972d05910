"""Records in, actions out, and how far each partition is done with: what a reader may commit.

Pure: handed records, hands out actions. Its rules:

1. Actions of a partition are handed out in the order of its records, each once; a copy of one is left out (`seen`), and
   so is a record that is no action, which is counted and told.
2. `Partition.done` is where to go on after a crash. It passes an action when `HandOut.processed` says so, or by asking
   for the next ones, which says the same; never earlier.
3. Records before `Partition.hand_from` were processed before. They are only remembered, for their copies.
4. A record is remembered when it is handed out and not when it is fetched. So what was fetched and then dropped, since
   its partition was taken away, can come again.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record

from .action import Action, action_of
from .seen import Seen


class Bad(NamedTuple):
    """A record that is no action, and where it is."""

    partition: int
    offset: int
    error: BadRecord


class Partition:
    """One partition that is being read. Offsets are its log's."""

    def __init__(self, index: int, *, read_from: int, hand_from: int, seen: Seen) -> None:
        self.index = index
        self.hand_from = hand_from
        """The first record that is to be handed out."""
        self.seen = seen
        self.reached = read_from
        """Up to here records were handed out, left out or remembered."""
        self.done = hand_from
        """Everything before this is processed, or is nothing to process."""
        self.committed: int | None = None
        """What the log was last told of `done`, and confirmed."""

    @property
    def remembers(self) -> bool:
        """Whether `seen` is complete: all that was to be read back has been."""
        return self.reached >= self.hand_from


class HandOut:
    """What was fetched and waits to be handed out, and what is in the caller's hands."""

    def __init__(self, on_bad: Callable[[Bad], None]) -> None:
        self._on_bad = on_bad
        self._waiting: deque[tuple[Partition, deque[Record]]] = deque()
        self._in_hand: tuple[Partition, int] | None = None
        """The partition of the actions in hand, and where it is done with once they are processed."""
        self.copies = 0
        """Actions that were left out, since they had been handed out before."""
        self.skipped = 0
        """Records that were left out, since they are no actions."""

    def add(self, partition: Partition, records: Iterable[Record]) -> None:
        """Queue records that were fetched, in order."""
        self._waiting.append((partition, deque(records)))

    def drop(self) -> None:
        """Forget what was not handed out yet: it will be fetched again by whoever reads its partition then."""
        self._waiting.clear()

    def processed(self) -> None:
        """The actions in hand are done with."""
        if self._in_hand is not None:
            partition, next_offset = self._in_hand
            partition.done = max(partition.done, next_offset)
            self._in_hand = None

    def take(self, actions_max: int) -> list[Action]:
        """The next actions, of one partition; those in hand are processed then. Empty if there are none."""
        self.processed()
        while self._waiting:
            partition, records = self._waiting[0]
            actions: list[Action] = []
            while records and len(actions) < actions_max:
                record = records.popleft()
                partition.reached = record.offset + 1
                action = self._examine(partition, record)
                if action is not None:
                    actions.append(action)
            if not records:
                self._waiting.popleft()
            if actions:
                self._in_hand = partition, partition.reached
                return actions
            partition.done = max(partition.done, partition.reached)
        return []

    def _examine(self, partition: Partition, record: Record) -> Action | None:
        """The action of a record, if it is to be handed out."""
        is_old = record.offset < partition.hand_from
        try:
            action = action_of(record, partition.index)
        except BadRecord as error:
            if not is_old:
                self.skipped += 1
                self._on_bad(Bad(partition.index, record.offset, error))
            return None
        is_new = partition.seen.is_new(action.player, action.session, action.id, record.timestamp)
        if is_old:
            return None
        if not is_new:
            self.copies += 1
            return None
        return action
