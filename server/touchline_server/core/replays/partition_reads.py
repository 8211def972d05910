"""The catch-ups of one partition: who waits for its records, what is being read of it, and which cursors it holds.

A cursor is proven if the log is known to hold what its client has seen: see `core.terms`. The window can tell, or a
read: the log checks the cursor that it begins at, and if it holds one, it holds all lower ones of that term. Any other
cursor has to be checked by a read that begins there.
"""

from collections.abc import Iterable
from typing import Generic

from touchline_server.core.clients.client import Client, ClientSubscription
from touchline_server.core.clocks import LoopMs
from touchline_server.core.effects import LogRange, Owner
from touchline_server.core.rooms.partition_window import PartitionWindow

CHUNK_RECORDS = 500
"""Records of one read: with 600-byte events some 300 KB, decoded in about 2 ms."""


class Read(Generic[Owner]):
    """A read under way. ``clients`` have no other turn until it is answered."""

    __slots__ = ("clients", "generation", "range", "started_ms")

    def __init__(self, wanted: LogRange, client: Client[Owner], started_ms: LoopMs) -> None:
        self.range = wanted
        self.generation = wanted.window.generation
        self.clients = [client]
        self.started_ms = started_ms


class PartitionReads(Generic[Owner]):
    """The catch-ups of one partition. ``waiting`` are the subscriptions that need its records."""

    __slots__ = ("_generation", "_proven", "reads", "waiting", "window")

    def __init__(self, window: PartitionWindow) -> None:
        self.window = window
        self.waiting: dict[ClientSubscription[Owner], None] = {}
        self.reads: list[Read[Owner]] = []
        self._generation = window.generation
        self._proven: dict[int, int] = {}
        """The highest cursor of each term that the log was found to hold in that generation of the window."""

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for its records."""
        return not (self.waiting or self.reads)

    def is_proven(self, subscription: ClientSubscription[Owner]) -> bool:
        """Whether the log is known to hold a subscription's cursor."""
        return self._was_checked(subscription) or self.window.terms.hold(subscription.term, subscription.cursor) is True

    def _was_checked(self, subscription: ClientSubscription[Owner]) -> bool:
        if subscription.is_proven:
            return True
        known = self._proven.get(subscription.term)
        return known is not None and subscription.cursor <= known and self._generation == self.window.generation

    def was_read(self, read: Read[Owner]) -> None:
        """The log answered with records, so it holds the cursor that the read began at."""
        if self._generation != self.window.generation:
            self._generation = self.window.generation
            self._proven.clear()
        if not read.range.is_proven:
            term, cursor = read.range.term, read.range.after
            self._proven[term] = max(cursor, self._proven.get(term, cursor))

    def next_of(self, subscriptions: Iterable[ClientSubscription[Owner]]) -> ClientSubscription[Owner]:
        """Which of a client's subscriptions to read for: the lowest cursor, so that one pass serves all of them. But
        first the highest one that is to be checked, which proves all others of its term."""
        unproven = [subscription for subscription in subscriptions if not self.is_proven(subscription)]
        if unproven:
            return max(unproven, key=_cursor)
        return min(subscriptions, key=_cursor)

    def range_for(self, subscription: ClientSubscription[Owner]) -> LogRange:
        """What to read for a subscription: as far as others may need it too, if there are any."""
        wanted = subscription.wanted._replace(is_proven=self._was_checked(subscription))
        if len(self.waiting) == 1:
            return wanted
        return wanted._replace(up_to=max(wanted.up_to, self.window.floor))

    def read_for(self, subscription: ClientSubscription[Owner]) -> Read[Owner] | None:
        """The read under way that will bring a subscription forward; None if there is none."""
        return next((read for read in self.reads if self.serves(read, subscription)), None)

    def serves(self, read: Read[Owner], subscription: ClientSubscription[Owner]) -> bool:
        """Whether a read that succeeds will bring a subscription forward: offsets are at most as dense as records."""
        wanted = read.range
        reaches = min(wanted.up_to, wanted.after + CHUNK_RECORDS)
        if not wanted.after <= subscription.cursor < reaches:
            return False
        return self.is_proven(subscription) or (not wanted.is_proven and self.asks_for(read, subscription))

    def asks_for(self, read: Read[Owner], subscription: ClientSubscription[Owner]) -> bool:
        """Whether what the log refuses to a read it refuses to a subscription."""
        wanted = read.range
        return wanted.after == subscription.cursor and (wanted.is_proven or wanted.term == subscription.term)


def _cursor(subscription: ClientSubscription[Owner]) -> int:
    return subscription.cursor
