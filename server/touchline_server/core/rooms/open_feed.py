"""A feed whose topic is read: its windows, its rooms, and what is still to come of their older records.

Rules: while a partition is read back (``reading_back``), the state of its rooms is not known. It is once all partitions
have been: a room may have moved, so it may have older records in more than one.
"""

from typing import Generic

from touchline_server.core.log import NOTHING_READ_MS, TermBegan

from .contents import Contents
from .feed import Feed
from .moves import ExpectedPartitions
from .partition_window import PartitionWindow
from .room import M, Room


class OpenFeed(Generic[M]):
    """A feed, with the windows of its topic. It is ``ready`` once all that was there at the start has been read, except
    in ``unread`` partitions, which could not be read then: nobody is let into their rooms until they are.

    ``by_key`` has its rooms by their records' key, so that a key is parsed once and not with every record.
    """

    __slots__ = ("by_key", "expected", "feed", "incomplete", "reading_back", "ready", "unread", "windows")

    def __init__(self, feed: Feed, expected: ExpectedPartitions) -> None:
        self.feed = feed
        self.expected = expected
        self.by_key: dict[bytes | None, Room[M]] = {}
        self.windows: dict[int, PartitionWindow] = {}
        self.ready = False
        self.unread: set[int] = set()
        self.reading_back: set[int] = set()
        self.incomplete: dict[int, int] = {}
        """Partitions whose older records were not all read, and since when (Unix milliseconds) they were."""

    def is_first_read(self, window: PartitionWindow) -> bool:
        """Whether a partition's records are still those that were there when it was opened."""
        return not self.ready or window.partition in self.unread

    @property
    def rooms(self) -> list[Room[M]]:
        """All of its rooms."""
        return list(self.by_key.values())

    @property
    def history_read(self) -> bool:
        """Whether all older records have come that will."""
        return self.ready and not self.reading_back

    def begin_term(self, began: TermBegan) -> list[Room[M]]:
        """A partition has a newer term; returns the rooms with clients that wait for offsets which it took over."""
        window = self.windows[began.partition]
        window.begin_term(began.start, began.term)
        return [room for room in self.rooms if room.contents.window is window and room.wake_from(began.start)]

    def begin_history(self, window: PartitionWindow) -> None:
        """A partition is read back from where its window began."""
        window.overtaken = False
        self.reading_back.add(window.partition)
        for room in self.rooms:
            if not self.ready or room.contents.has_events_of(window):
                room.contents.begin_history(again=self.ready)

    def end_history(self, partition: int, *, complete: bool, since_ms: int) -> None:
        """A partition is not read back any further: all its records since that time were read."""
        self.reading_back.discard(partition)
        self.incomplete.pop(partition, None)
        if not complete:
            self.incomplete[partition] = since_ms
        for window in self.windows.values():
            window.state_complete = not (self.incomplete or window.overtaken)

    def forget_room(self, contents: Contents) -> None:
        """A room with records is forgotten: from now on nobody knows that it had events up to here."""
        if contents.head is not None and not contents.partitions:
            contents.window.forget_room(contents.head)
            return
        for window in self.windows.values():  # it has moved, and may have had events in any of them
            window.forget_room(window.next_offset - 1)

    def stop_history(self) -> None:
        """No partition is read back any further: the topic is gone."""
        for partition in tuple(self.reading_back):
            self.end_history(partition, complete=False, since_ms=NOTHING_READ_MS)

    def forget_doubtful(self, key: bytes | None, contents: Contents) -> None:
        """Forget what the unread records of partitions may have changed in a room that may have been in them."""
        if contents.is_newer_than(max(self.incomplete.values(), default=0)):
            return  # as nearly always, and looking at all the partitions of every room takes long
        ever = self.expected.ever(key or b"", len(self.windows))
        contents.forget_doubtful({index: since_ms for index, since_ms in self.incomplete.items() if index in ever})
