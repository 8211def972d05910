"""The hub: all feeds, streams and rooms of an edge, and which rooms have something to send.

It is handed what the log tells (`opened`, `extended`, `ingest`, `jumped`) and asked for what to write (`next_flush`).

Rules:

1. Rooms with something to send take turns: each gets one flush, then goes to the end of the queue.
2. A room that nobody watches needs no flush: it moves forward as its records come in.
3. A room lives in the stream of its newest record. Its records are in one partition, until partitions are added; then
   it moves once. A record from another partition that is older than the room's newest is history, and is left out.
4. Streams share ``window_bytes_max`` evenly.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record, parse_event, parse_record, parse_room_id
from touchline_protocol.rooms import split_room

from .feed import Feed
from .partition_window import RoomEvent, Stream, room_event
from .room import Flush, Room

FORGET_EVERY_MS = 10_000
"""How often idle rooms are looked for: it takes a look at every room, some 0.1 us each."""

Place = Callable[[bytes, int], int]
"""The partition that the log's producers put a key in, given the key and the number of partitions."""


class HubLimits(NamedTuple):
    """The limits of the hub; `touchline_server.config.settings` has the reasons."""

    window_bytes_max: int
    window_ms: int
    state_bytes_max: int
    room_idle_ms: int


class Skip(NamedTuple):
    """A record that was left out, with its place."""

    topic: str
    partition: int
    offset: int
    reason: str
    message: str


class OpenFeed:
    """A feed, with the streams of its topic. ``ready`` once all that was there at start has been read.

    ``by_key`` has its rooms by their records' key, so that a key is read once and not with every record.
    """

    __slots__ = ("by_key", "feed", "ready", "streams")

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.by_key: dict[bytes | None, Room] = {}
        self.streams: dict[int, Stream] = {}
        self.ready = False


class Hub:
    """All rooms of an edge."""

    def __init__(self, feeds: Sequence[Feed], limits: HubLimits, place: Place) -> None:
        self.limits = limits
        self.feeds = {feed.name: OpenFeed(feed) for feed in feeds}
        self.rooms: dict[str, Room] = {}
        self.pending_bytes = 0
        self._forget_again_ms = 0
        self._by_topic = {opened.feed.topic: opened for opened in self.feeds.values()}
        self._place = place
        self._queue: deque[Room] = deque()

    def opened(self, topic: str, epoch: str, starts: Mapping[int, int]) -> None:
        """A topic is read from now on. What was known from the log that it was before is forgotten."""
        feed = self._by_topic[topic]
        feed.ready = False
        feed.streams = {partition: Stream(topic, epoch, partition, start) for partition, start in starts.items()}
        for room in self._rooms_of(feed):
            self._restart(room, self._stream_for(feed, room.name), keep_state=False)

    def extended(self, topic: str, starts: Mapping[int, int]) -> None:
        """Partitions were added to a topic. Rooms move when their records come from there."""
        feed = self._by_topic[topic]
        epoch = next(iter(feed.streams.values())).topic_epoch
        for partition, start in starts.items():
            feed.streams[partition] = Stream(topic, epoch, partition, start)

    def caught_up(self, topic: str) -> None:
        """All that was in the topic when it was opened has been taken in: its rooms can be joined."""
        self._by_topic[topic].ready = True

    def jumped(self, topic: str, partition: int, start: int) -> None:
        """Records were gone before they were read: the rooms of that partition start over, with the state as known."""
        feed = self._by_topic[topic]
        stream = feed.streams[partition]
        stream.jump(start)
        for room in self._rooms_of(feed):
            if room.stream is stream:
                self._restart(room, stream, keep_state=True)

    def load(
        self, topic: str, partition: int, room_id: str, head: int, state: Iterable[Record], now_ms: int
    ) -> list[Skip]:
        """Take over a room as it was before its window begins."""
        feed = self._by_topic[topic]
        stream = feed.streams[partition]
        room = self._room(feed, room_id, stream)
        events: list[RoomEvent] = []
        skips: list[Skip] = []
        for record in state:
            try:
                parsed = parse_record(record, feed.feed.key_field)
            except BadRecord as error:
                skips.append(_skip(stream, record, error))
                continue
            events.append(room_event(room, stream, record.offset, parsed.key, record.timestamp, parsed.value))
        room.load(head, events, now_ms)
        return skips

    def ingest(
        self, topic: str, partition: int, records: Iterable[Record], next_offset: int, now_ms: int
    ) -> list[Skip]:
        """Take in records of one partition, in order; returns those that were left out."""
        feed = self._by_topic[topic]
        stream = feed.streams[partition]
        skips: list[Skip] = []
        touched: dict[Room, None] = {}
        for record in records:
            try:
                room = self._take(feed, stream, record, now_ms)
            except BadRecord as error:
                skips.append(_skip(stream, record, error))
            else:
                touched[room] = None
        stream.next_offset = next_offset
        for room in touched:
            self._mark(room, now_ms)
        self.trim(stream, now_ms)
        return skips

    def replayed(self, room: Room, stream: Stream, records: Iterable[Record], prev: int | None) -> list[RoomEvent]:
        """The events of ``room`` among records that were read again from its stream, for catch-ups.

        They are in no window; ``prev`` is the offset of the one before them, None where that is not known. Records that
        make no event were counted when they were first read.
        """
        feed_name, room_id = split_room(room.name)
        key_field = self.feeds[feed_name].feed.key_field
        wanted = room_id.encode()
        events: list[RoomEvent] = []
        for record in records:
            if record.key == wanted:
                try:
                    parsed = parse_record(record, key_field)
                except BadRecord:
                    continue
                event = room_event(room, stream, record.offset, parsed.key, record.timestamp, parsed.value)
                event.prev, prev = prev, event.offset
                events.append(event)
        return events

    @property
    def has_ready(self) -> bool:
        """Whether a room may have something to send."""
        return bool(self._queue)

    def next_flush(self, now_ms: int) -> Flush | None:
        """Begin the flush of the room whose turn it is; None when no room has anything to send."""
        while self._queue:
            room = self._queue.popleft()
            room.queued = False
            flush = self._begin(room, now_ms)
            if flush is not None:
                return flush
            self._mark(room, now_ms)
        return None

    def end_flush(self, flush: Flush, now_ms: int) -> None:
        """A flush has been written. Its room queues again if something came meanwhile."""
        flush.room.end_flush()
        self._mark(flush.room, now_ms)

    def room(self, name: str) -> Room | None:
        """The room of that name, made if need be; None where its feed is unknown or not ready yet.

        Raises:
            BadRoom: it is no room name.
        """
        feed_name, room_id = split_room(name)
        feed = self.feeds.get(feed_name)
        if feed is None or not feed.ready:
            return None
        return self.rooms.get(name) or self._room(feed, room_id, self._stream_for(feed, name))

    def trim(self, stream: Stream, now_ms: int) -> None:
        """Hold a stream's window to its limits."""
        streams = sum(len(feed.streams) for feed in self.feeds.values())
        stream.trim(self.limits.window_bytes_max // streams, now_ms - self.limits.window_ms)

    def tidy(self, now_ms: int) -> None:
        """Hold all windows to their limits, and forget rooms that have long been idle. To be called now and then."""
        for feed in self.feeds.values():
            for stream in feed.streams.values():
                self.trim(stream, now_ms)
        if now_ms < self._forget_again_ms:
            return
        self._forget_again_ms = now_ms + FORGET_EVERY_MS
        idle_since = now_ms - self.limits.room_idle_ms
        for room in list(self.rooms.values()):
            room.shared.forget()  # else a quiet room would keep it for a day
            if _is_idle(room, idle_since):
                self._forget(room)

    def left(self, room: Room) -> None:
        """A client has left a room. One that never had an event is forgotten with its last client: names are free."""
        if not room.members and room.head is None and not room.pending and not room.state and room.flush is None:
            self._forget(room)

    def _forget(self, room: Room) -> None:
        if self.rooms.get(room.name) is not room:
            return  # forgotten already, and perhaps made anew
        feed_name, room_id = split_room(room.name)
        del self.rooms[room.name]
        del self.feeds[feed_name].by_key[room_id.encode()]
        room.dissolve()

    def _take(self, feed: OpenFeed, stream: Stream, record: Record, now_ms: int) -> Room:
        room = feed.by_key.get(record.key)
        room_id = "" if room else parse_room_id(record.key)
        key, value = parse_event(record, feed.feed.key_field)
        if room is None:
            room = self._room(feed, room_id, stream)
        newest = room.pending[-1] if room.pending else None
        home = newest.stream if newest else room.stream
        if home is not stream:
            newest_ts = newest.ts if newest else room.head_ts
            if record.timestamp < newest_ts:
                raise BadRecord(
                    "misplaced", f"a newer record of the room is in partition {home.partition}; all must be in one"
                )
        event = room_event(room, stream, record.offset, key, record.timestamp, value, now_ms)
        room.push(event)
        self.pending_bytes += event.size
        return room

    def _mark(self, room: Room, now_ms: int) -> None:
        """Queue a room that has something to send; move it forward at once where nobody watches."""
        while (room.pending or room.restarting) and not room.queued and room.flush is None:
            if room.has_live or room.ahead:
                room.queued = True
                self._queue.append(room)
            else:
                self._begin(room, now_ms)

    def _begin(self, room: Room, now_ms: int) -> Flush | None:
        waiting = room.pending_bytes
        flush = room.begin_flush(now_ms)
        self.pending_bytes -= waiting - room.pending_bytes
        return flush

    def _restart(self, room: Room, stream: Stream, *, keep_state: bool) -> None:
        self.pending_bytes -= room.pending_bytes
        room.restart(stream, keep_state=keep_state)
        self._mark(room, room.told_ms)

    def _room(self, feed: OpenFeed, room_id: str, stream: Stream) -> Room:
        room = Room(f"{feed.feed.name}:{room_id}", stream, self.limits.state_bytes_max)
        self.rooms[room.name] = feed.by_key[room_id.encode()] = room
        return room

    def _rooms_of(self, feed: OpenFeed) -> list[Room]:
        prefix = feed.feed.name + ":"
        return [room for room in self.rooms.values() if room.name.startswith(prefix)]

    def _stream_for(self, feed: OpenFeed, name: str) -> Stream:
        """The stream that a room without records is expected in."""
        _, room_id = split_room(name)
        return feed.streams[self._place(room_id.encode(), len(feed.streams))]


def _is_idle(room: Room, idle_since: int) -> bool:
    return not room.members and not room.events and not room.pending and room.told_ms < idle_since


def _skip(stream: Stream, record: Record, error: BadRecord) -> Skip:
    return Skip(stream.topic, stream.partition, record.offset, error.reason, str(error))
