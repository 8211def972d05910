"""The hub: all feeds, partition windows and rooms of an edge, and which rooms have something to send.

It takes what the log reports (`apply`) and is asked for what to write (`next_flush`).

Rules:

1. Rooms with something to send take turns: each gets one flush, then goes to the end of the queue.
2. A room that nobody watches needs no flush: it moves forward as its records come in.
3. A room has a home partition, and moves when partitions are added (`moves`). A record elsewhere that does not move it
   is skipped, and at most changes the state.
4. All partition windows share ``window_bytes_max`` evenly.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record, parse_event, parse_room_id
from touchline_protocol.rooms import split_room
from touchline_protocol.tracing.traceparent import header_traceparent, is_sampled
from touchline_server.core.clocks import LoopMs
from touchline_server.core.log import (
    CaughtUp,
    Chunk,
    History,
    HistoryBegan,
    HistoryRead,
    LogEvent,
    OffsetsLost,
    PartitionCaughtUp,
    PartitionOpened,
    PartitionsAdded,
    Records,
    TermBegan,
    TopicMissing,
    TopicOpened,
    Truncated,
)
from touchline_server.core.room_store import StoredRoom

from .contents import BEFORE_ALL, Contents
from .feed import Feed
from .hub_limits import FORGET_EVERY_MS, HubLimits
from .moves import ExpectedPartitions, Partitioner, is_move
from .old_records import Skip, announce, replayed_events, skip_of, stored_events
from .open_feed import OpenFeed
from .partition_window import PartitionWindow, RoomEvent, room_event
from .reading_back import take_history
from .room import Flush, M, Room, Traced


class Hub(Generic[M]):
    """All rooms of an edge. ``stored`` says whether a `RoomStore` knows rooms from before the window, and ``traces``
    whether flushes say which sampled traces they are part of."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        limits: HubLimits,
        partitioner: Partitioner,
        *,
        stored: bool = False,
        traces: bool = False,
    ) -> None:
        self.limits = limits
        self.feeds: dict[str, OpenFeed[M]] = {
            feed.name: OpenFeed(feed, ExpectedPartitions(partitioner)) for feed in feeds
        }
        self.rooms: dict[str, Room[M]] = {}
        self.pending_bytes = 0
        self._stored = stored
        self._traces = traces
        self._forget_again_ms = 0
        self._by_topic = {opened.feed.topic: opened for opened in self.feeds.values()}
        self._partitioner = partitioner
        self._queue: deque[Room[M]] = deque()

    # What the log reports.

    def apply(self, event: LogEvent, now_ms: LoopMs) -> Sequence[Skip]:
        """Take in what the log reports of a feed's topic; returns the records that were skipped."""
        feed = self._by_topic[event.topic]
        match event:
            case Records(_, partition, records, next_offset):
                return self._ingest(feed, feed.windows[partition], records, next_offset, now_ms)
            case TopicOpened(topic, epoch, starts, offline):
                self._open(feed, topic, epoch, {**dict.fromkeys(offline, 0), **starts})
                feed.unread = set(offline)
            case PartitionOpened() | PartitionCaughtUp() | PartitionsAdded():
                self._extend(feed, event)
            case TermBegan():
                for room in feed.begin_term(event):
                    self.mark(room, now_ms)
            case OffsetsLost() | Truncated():
                self._go_on_after(feed, event, now_ms)
            case HistoryBegan() | History() | HistoryRead():
                self._read_back(feed, event, now_ms)
            case CaughtUp():
                feed.ready = True
                self._settle(feed, now_ms)
            case TopicMissing():
                feed.stop_history()
                self._settle(feed, now_ms)
        return ()

    def _open(self, feed: OpenFeed[M], topic: str, epoch: str, starts: Mapping[int, int]) -> None:
        """Read a topic from now on, and forget the log that it was before."""
        feed.ready = False
        feed.reading_back.clear()
        feed.incomplete.clear()
        feed.expected = ExpectedPartitions(self._partitioner)
        feed.windows = {
            partition: PartitionWindow(topic, epoch, partition, start) for partition, start in starts.items()
        }
        for room in feed.rooms:
            self._restart(room, self._window_for(feed, room.name), same_log=False)
            room.contents.history_read = False

    def _extend(self, feed: OpenFeed[M], event: PartitionOpened | PartitionCaughtUp | PartitionsAdded) -> None:
        """Read more partitions of a topic than before."""
        match event:
            case PartitionOpened(_, partition, start):
                self._open_late(feed, feed.windows[partition], start)
            case PartitionCaughtUp(_, partition):
                feed.unread.discard(partition)
            case PartitionsAdded(topic, starts):
                epoch = next(iter(feed.windows.values())).topic_epoch
                for partition, start in starts.items():
                    window = feed.windows[partition] = PartitionWindow(topic, epoch, partition, start)
                    window.state_complete = not feed.incomplete

    def _open_late(self, feed: OpenFeed[M], window: PartitionWindow, start: int) -> None:
        """Read a partition from now on that could not be read when its topic was opened: until then it was empty."""
        window.jump(start)
        for room in feed.rooms:
            if room.contents.window is window:
                self._restart(room, window, same_log=True)

    def _go_on_after(self, feed: OpenFeed[M], loss: OffsetsLost | Truncated, now_ms: LoopMs) -> None:
        """Go on after lost records: the partition's rooms start over, without state, which those may have changed."""
        window = feed.windows[loss.partition]
        window.jump(loss.start, loss.term if isinstance(loss, Truncated) else None)
        window.overtaken = not self._stored  # a store still knows what the lost records said
        window.state_complete = not (window.overtaken or feed.incomplete)
        feed.reading_back.discard(window.partition)
        for room in feed.rooms:
            if room.contents.has_events_of(window):
                self._restart(room, window, same_log=True)
            else:
                room.contents.lose_elsewhere(window)
        self._settle(feed, now_ms)

    # State from before the windows, from a log that is read back.

    def _read_back(self, feed: OpenFeed[M], event: HistoryBegan | History | HistoryRead, now_ms: LoopMs) -> None:
        window = feed.windows[event.partition]
        if isinstance(event, HistoryBegan):
            feed.begin_history(window)
        elif event.partition not in feed.reading_back:
            return  # records were lost since: older ones may not hold any more
        elif isinstance(event, History):
            self._take_older(feed, window, event.records, now_ms)
            if not feed.ready:  # later on, rooms that are known already pass over records of other partitions
                window.know_rooms_from(event.first)
        else:
            feed.end_history(event.partition, complete=event.complete, since_ms=event.since_ms)
            self._settle(feed, now_ms)

    def _take_older(
        self, feed: OpenFeed[M], window: PartitionWindow, records: Sequence[Record], now_ms: LoopMs
    ) -> None:
        def room_of(key: bytes | None) -> Contents:
            room = feed.by_key.get(key) or self._make(feed, parse_room_id(key), window)
            return room.contents

        take_history(
            records,
            window,
            feed.feed,
            room_of=room_of,
            is_move=lambda contents, event: self._moves(feed, contents, event, now_ms, first_read=True),
        )

    def _settle(self, feed: OpenFeed[M], now_ms: LoopMs) -> None:
        """Once all older records have come, the state of all rooms is known."""
        if not feed.history_read:
            return
        for key, room in list(feed.by_key.items()):
            if not room.contents.history_read:
                feed.forget_doubtful(key, room.contents)
                if room.contents.end_history(now_ms):
                    self.start_over(room)
                room.snapshots.forget()
                self.forget_if_unused(room)

    def _ingest(
        self, feed: OpenFeed[M], window: PartitionWindow, records: Iterable[Record], next_offset: int, now_ms: LoopMs
    ) -> list[Skip]:
        skips: list[Skip] = []
        touched: dict[Room[M], None] = {}
        for record in records:
            try:
                room = self._take(feed, window, record, now_ms)
            except BadRecord as error:
                skips.append(skip_of(window, record, error))
            else:
                touched[room] = None
        window.next_offset = next_offset
        for room in touched:
            self.mark(room, now_ms)
        self._trim(window, now_ms)
        return skips

    def _take(self, feed: OpenFeed[M], window: PartitionWindow, record: Record, now_ms: LoopMs) -> Room[M]:
        room = feed.by_key.get(record.key)
        room_id = "" if room else parse_room_id(record.key)
        key, value = parse_event(record, feed.feed.key_field)
        if room is None:
            room = self._make(feed, room_id, window)
        contents = room.contents
        home = contents.pending[-1].window if contents.pending else contents.window
        traceparent = header_traceparent(record.headers) if record.headers else None
        shown = feed.feed.shown(traceparent) if traceparent else None
        event = room_event(contents, window, record.offset, key, record.timestamp, value, now_ms, shown)
        if home is not window and not self._moves(feed, contents, event, now_ms, first_read=feed.is_first_read(window)):
            self._take_elsewhere(feed, room, event)
            return room
        contents.push(event)
        self.pending_bytes += event.size
        if traceparent and self._traces and is_sampled(traceparent):
            room.traced.append(Traced(traceparent, event))
        return room

    def _moves(
        self, feed: OpenFeed[M], contents: Contents, event: RoomEvent, now_ms: LoopMs, *, first_read: bool
    ) -> bool:
        count, partition = len(feed.windows), event.window.partition
        key = split_room(contents.name)[1].encode()
        if not contents.had_records_in(partition):
            feed.expected.check(key, {contents.home.partition, partition}, count)
        expected = feed.expected.of(key, count)
        # A store that has not answered yet may know the room from any partition.
        return is_move(contents, event, expected, now_ms, first_read=first_read or not contents.loaded)

    def _take_elsewhere(self, feed: OpenFeed[M], room: Room[M], event: RoomEvent) -> None:
        """Take in an event that is not in its room's home partition, and does not move the room."""
        if room.contents.take_elsewhere(event):
            self.start_over(room)
        if not feed.is_first_read(event.window):
            raise BadRecord("misplaced", f"its room is in partition {room.contents.home.partition}")

    # What rooms have to send.

    @property
    def has_ready(self) -> bool:
        """Whether a room may have something to send."""
        return bool(self._queue)

    def next_flush(self, now_ms: LoopMs) -> Flush[M] | None:
        """Begin the flush of the room whose turn it is; None if no room has anything to send."""
        while self._queue:
            room = self._queue.popleft()
            room.queued = False
            flush = self._begin(room, now_ms)
            if flush is not None:
                return flush
            self.mark(room, now_ms)
        return None

    def end_flush(self, flush: Flush[M], now_ms: LoopMs) -> None:
        """A flush has been written. Its room queues again if something came in the meantime."""
        flush.room.end_flush()
        self.mark(flush.room, now_ms)

    # Rooms.

    def room(self, name: str) -> Room[M] | None:
        """The room of that name, made if need be; None if its feed is unknown, or its records are not read yet.

        Raises:
            BadRoom: the name is not a valid room name.
        """
        feed_name, room_id = split_room(name)
        feed = self.feeds.get(feed_name)
        if feed is None or not feed.ready:
            return None
        window = self._window_for(feed, name)
        if window.partition in feed.unread:
            return None
        return self.rooms.get(name) or self._make(feed, room_id, window)

    def load(self, room: Room[M], stored: StoredRoom | None, now_ms: LoopMs) -> list[Skip]:
        """Add what a store knows of a room from before its window; None: the store does not know the room."""
        feed = self.feeds[split_room(room.name)[0]].feed
        events, skips = stored_events(room.contents, stored or StoredRoom(None, ()), feed)
        room.contents.load(events, now_ms)
        room.snapshots.forget()
        if stored is None:
            room.contents.know_all_after(BEFORE_ALL)
        return skips

    def rehome(self, room: Room[M], partition: int) -> None:
        """Let a room without records here live in another partition, where a store has found its records."""
        self._restart(room, self.feeds[split_room(room.name)[0]].windows[partition], same_log=True)

    def replayed(
        self, room: Room[M], window: PartitionWindow, chunk: Chunk, *, prev: int | None, term: int
    ) -> list[RoomEvent]:
        """The events of ``room`` among records that were read again from its partition, for catch-ups.

        They are in no window; ``prev`` is the offset of the event before them, None if that is not known, and ``term``
        the newest that the clients know. Records that make no event were counted when they were first read.
        """
        feed = self.feeds[split_room(room.name)[0]].feed
        events = replayed_events(room.contents, window, chunk.records, prev, feed)
        return announce(events, window, chunk.terms, term)

    def evict_idle(self, now_ms: LoopMs) -> None:
        """Hold all windows to their limits, and forget rooms that have long been idle. Call this periodically."""
        for feed in self.feeds.values():
            for window in feed.windows.values():
                self._trim(window, now_ms)
        if now_ms < self._forget_again_ms:
            return
        self._forget_again_ms = now_ms + FORGET_EVERY_MS
        idle_since = now_ms - self.limits.room_idle_ms
        for room in list(self.rooms.values()):
            room.snapshots.forget()  # a quiet room would keep them for a day
            if room.is_idle_since(idle_since):
                self._forget(room)

    def forget_if_unused(self, room: Room[M]) -> None:
        """Forget a room that never had an event once its last member has left: anybody can make up names."""
        if room.is_unused:
            self._forget(room)

    def _forget(self, room: Room[M]) -> None:
        if self.rooms.get(room.name) is not room:
            return  # forgotten already, and perhaps made again
        feed_name, room_id = split_room(room.name)
        feed = self.feeds[feed_name]
        del self.rooms[room.name]
        del feed.by_key[room_id.encode()]
        if room.contents.has_records:
            feed.forget_room(room.contents)
        room.release()

    def _trim(self, window: PartitionWindow, now_ms: LoopMs) -> None:
        windows = sum(len(feed.windows) for feed in self.feeds.values())
        window.trim(self.limits.window_bytes_max // windows, now_ms - self.limits.window_ms)

    def mark(self, room: Room[M], now_ms: LoopMs) -> None:
        """Queue a room if it has something to send; move it forward at once if nobody watches it."""
        while (room.contents.pending or room.has_extra or room.waking) and not room.queued and room.flush is None:
            if room.has_live or room.waiting_ahead:
                room.queued = True
                self._queue.append(room)
            else:
                self._begin(room, now_ms)

    def _begin(self, room: Room[M], now_ms: LoopMs) -> Flush[M] | None:
        contents = room.contents
        waiting = contents.pending_bytes
        flush = room.begin_flush(now_ms)
        self.pending_bytes -= waiting - contents.pending_bytes
        return flush

    def _restart(self, room: Room[M], window: PartitionWindow, *, same_log: bool) -> None:
        waiting = room.contents.pending_bytes
        room.restart(window, same_log=same_log)
        self.pending_bytes -= waiting - room.contents.pending_bytes
        if self._stored:
            room.contents.expect_stored(window.rooms_known_after)
        self.mark(room, room.contents.updated_ms)

    def start_over(self, room: Room[M]) -> None:
        """Give everybody a room's state again: it changed without an event of the room."""
        room.start_over()
        self.mark(room, room.contents.updated_ms)

    def _make(self, feed: OpenFeed[M], room_id: str, window: PartitionWindow) -> Room[M]:
        name = f"{feed.feed.name}:{room_id}"
        contents = Contents(
            name, window, self.limits.state_bytes_max, loaded=not self._stored, history_read=feed.history_read
        )
        if feed.reading_back:
            contents.begin_history(again=False)
        elif self._stored:
            contents.expect_stored(window.rooms_known_after)
        elif feed.history_read:
            contents.know_all_after(window.rooms_known_after)
        room: Room[M] = Room(contents)
        self.rooms[name] = feed.by_key[room_id.encode()] = room
        return room

    def _window_for(self, feed: OpenFeed[M], name: str) -> PartitionWindow:
        """The window that a room without records is expected in."""
        _, room_id = split_room(name)
        return feed.windows[self._partitioner(room_id.encode(), len(feed.windows))]
