"""Places in histories where a server can break its promises to one client, and what the checker has to report of it."""

from collections.abc import Callable, Iterator, Set
from random import Random
from typing import NamedTuple, TypeAlias

from checker.histories import History
from touchline_loadtest.checks.comparison.epoch_names import EpochNames
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.trace import Item, Joined, Received, Settled, Trace

MISSING = frozenset({"missing", "missing_at_end", "recovered_wrongly"})
"""What an event that is missing is reported as: at the end of the trace, or where the log has deleted it."""

UNSEEN = 999
"""A value that no event has."""


class Expected(NamedTuple):
    """What the checker has to report: one of ``kinds`` for this client, at one of ``offsets``; empty for any offset."""

    client: str
    kinds: Set[str]
    offsets: set[int]


Fault: TypeAlias = Callable[[History, Random], Expected | None]
"""Injects itself into a history.

It returns None where a history has no place for it: where nobody could tell, such as the loss of an event that the
client may not have waited for.
"""


class Spot(NamedTuple):
    """An item of a trace."""

    trace: Trace
    place: int

    @property
    def item(self) -> Item:
        return self.trace.items[self.place]

    @property
    def received(self) -> Received:
        assert isinstance(self.item, Received)
        return self.item

    @property
    def joined(self) -> Joined:
        assert isinstance(self.item, Joined)
        return self.item

    @property
    def join(self) -> Joined | None:
        """The last answer before this."""
        return next((item for item in reversed(self.trace.items[: self.place]) if isinstance(item, Joined)), None)

    @property
    def cursor(self) -> tuple[str, int] | None:
        """Where the client was before this."""
        for item in reversed(self.trace.items[: self.place]):
            if isinstance(item, Received):
                return item.epoch, item.offset
            if isinstance(item, Joined) and not item.recovered:
                return item.epoch, item.head
            if isinstance(item, Joined) and item.after is not None:
                return item.epoch, item.after[1]
        return None

    def put(self, *items: Item) -> None:
        """Put these in the item's place."""
        self.trace.items[self.place : self.place + 1] = items

    def later(self) -> Iterator[Item]:
        """What the client saw after this on the same connection."""
        for item in self.trace.items[self.place + 1 :]:
            if isinstance(item, Joined):
                return
            yield item

    def events_later(self) -> list[Received]:
        return [item for item in self.later() if isinstance(item, Received)]

    def settles(self) -> bool:
        """Whether the client stays to the end."""
        return any(isinstance(item, Settled) for item in self.later())


def spots(history: History, random: Random, kind: type[Item]) -> list[Spot]:
    found = [
        Spot(trace, index)
        for trace in history.traces
        for index, item in enumerate(trace.items)
        if isinstance(item, kind)
    ]
    random.shuffle(found)
    return found


def epochs(history: History) -> EpochNames:
    return EpochNames.of(history.room, history.traces)


def entries_of(history: History, log: LogId | None) -> list[Entry]:
    return [] if log is None else history.world.entries[log]


def is_judged(spot: Spot, offset: int) -> bool:
    """Whether the client is known to have got past an offset after this."""
    return spot.settles() or any(event.offset > offset for event in spot.events_later())
