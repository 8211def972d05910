"""``touchline tail --log``: a room's events straight from the log, without a server.

It is an edge's core, a `Hub` with the room's feed alone, and a reader that is brought what the hub knows of the room.
Rules:

1. It prints what an edge that starts now would tell: the state as built from the log's window, then what comes.
2. A cursor is honoured as long as the log holds what follows it, however far back that is: nobody else has to wait.
3. Where it cannot go on without a loss it says so, and starts over from the state.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import touchline
from touchline_protocol.codecs import CODECS
from touchline_protocol.cursor import Cursor
from touchline_protocol.errors import LogUnavailable, OperatorError
from touchline_protocol.frames import payload_of
from touchline_protocol.messages import Event
from touchline_protocol.rooms import split_room
from touchline_server.config.settings import Settings
from touchline_server.config.values import milliseconds
from touchline_server.core.feed import Feed
from touchline_server.core.hub import Hub, HubLimits, Skip
from touchline_server.core.log import (
    CaughtUp,
    Chunk,
    Log,
    LogEvent,
    OffsetOutOfRange,
    OffsetsLost,
    PartitionsAdded,
    Records,
    TopicMissing,
    TopicOpened,
    UnknownTopic,
)
from touchline_server.core.partition_window import RoomEvent
from touchline_server.core.room import Room
from touchline_server.log.open import SQLITE, make_log

from .tail_output import Printer

CHUNK_RECORDS = 500
"""Records of one read of a cursor's catch-up."""

RETRY_SECONDS = 0.5
"""Between two tries while the log does not answer."""

SKIPS_NOTED_MAX = 10
"""Records that make no event are told each, up to so many: a producer gone wrong must not drown the rest."""

logger = logging.getLogger("touchline.tail")


def open_log_tail(settings: Settings, printer: Printer, room: str, after: Cursor | None, last: int) -> "LogTail":
    """The tail of a room in the log that ``settings`` name.

    Raises:
        OperatorError: there is no such feed, or no such log.
    """
    feed, _ = split_room(room)
    if feed not in settings.feeds:
        raise OperatorError(f"there is no feed {feed!r}; the feeds are {', '.join(sorted(settings.feeds))}")
    if settings.log.startswith(SQLITE):
        path = settings.log.removeprefix(SQLITE)
        if not path:
            raise OperatorError("sqlite:// is a log in memory, and this command's would be empty: tail its server")
        if not Path(path).is_file():
            raise OperatorError(f"there is no log {path}")
    return LogTail(settings, make_log(settings), printer, room, after, last)


class LogTail:
    """One room's events, from the log to the printer."""

    def __init__(
        self, settings: Settings, log: Log, printer: Printer, room: str, after: Cursor | None, last: int
    ) -> None:
        feed_name, _ = split_room(room)
        feed = settings.feeds[feed_name]
        window_ms = milliseconds(settings.window_s)
        limits = HubLimits(
            settings.window_bytes_max, window_ms, settings.state_bytes_max, milliseconds(settings.room_idle_s)
        )
        self._hub = Hub([Feed(feed_name, feed.topic, feed.key_field)], limits, log.partition_of)
        self._log = log
        self._topic = feed.topic
        self._window_ms = window_ms
        self._name = room
        self._printer = printer
        self._after = after
        self._last = last
        self._room: Room | None = None
        self._generation = 0
        self._place = -1
        self._problems: dict[str, str] = {}
        self._skips = 0

    async def run(self) -> None:
        """Print until cancelled.

        Raises:
            OperatorError: the log cannot be opened, or has no such topic.
        """
        try:
            await self._log.open([self._topic], since_ms=time.time_ns() // 1_000_000 - self._window_ms)
            while True:
                for event in await self._log.poll():
                    await self._take(event)
                self._hub.tidy(_now_ms())
                self._note_problems()
        finally:
            await self._log.close()

    async def _take(self, event: LogEvent) -> None:
        match event:
            case Records(topic, partition, records, next_offset):
                self._note_skips(self._hub.ingest(topic, partition, records, next_offset, _now_ms()))
                self._follow()
            case TopicOpened(topic, epoch, starts):
                self._hub.opened(topic, epoch, starts)
                for partition, start in starts.items():
                    for known in await self._log.snapshot(topic, partition, start) or ():
                        loaded = self._hub.load(topic, partition, known.room_id, known.head, known.state, _now_ms())
                        self._note_skips(loaded)
            case CaughtUp(topic):
                self._hub.caught_up(topic)
                await self._begin()
            case TopicMissing(topic):
                self._gone(topic)
            case PartitionsAdded(topic, starts):
                self._hub.extended(topic, starts)
            case OffsetsLost(topic, partition, start):
                self._hub.jumped(topic, partition, start)
                self._start_over_if_restarted()

    async def _begin(self) -> None:
        """The log has been read to its end, for the first time or after it became another one."""
        if self._room is not None:
            self._start_over_if_restarted()
            return
        room = self._room = self._hub.room(self._name)
        assert room is not None  # noqa: S101 - its feed has just been caught up with
        room.members += 1  # so that the hub does not forget it
        self._generation = room.generation
        if self._after is None:
            self._start(room, self._last)
        elif not await self._go_on_after(room, self._after):
            self._start_over(room, self._last)
        else:
            self._follow()

    async def _go_on_after(self, room: Room, cursor: Cursor) -> bool:
        """Print what follows ``cursor`` and is in the window no more; False where the log cannot tell."""
        stream = room.stream
        if cursor.epoch != stream.epoch:
            return False
        self._place = cursor.offset
        try:
            if self._place > room.place:
                return self._place < await self._log.end(stream.topic, stream.topic_epoch, stream.partition)
            prev: int | None = None
            while self._place < room.floor:
                chunk = await self._read(room)
                events = self._hub.replayed(room, stream, chunk.records, prev)
                self._print(events)
                prev = events[-1].offset if events else prev
                self._place = chunk.reached
        except OffsetOutOfRange:
            return False
        return True

    async def _read(self, room: Room) -> Chunk:
        stream = room.stream
        where = (stream.topic, stream.topic_epoch, stream.partition)
        while True:
            try:
                return await self._log.read(*where, after=self._place, up_to=room.floor, records_max=CHUNK_RECORDS)
            except LogUnavailable as error:
                logger.warning("%s: %s; trying again", self._name, error)
                await asyncio.sleep(RETRY_SECONDS)

    def _follow(self) -> None:
        """Print what is new in the window."""
        room = self._room
        if room is None or not self._hub.feeds[split_room(self._name)[0]].ready:
            return
        if room.generation != self._generation:  # it moved to another partition, and nothing of it was lost
            self._generation = room.generation
            self._place = room.floor
        self._print(list(room.after(self._place)))

    def _start(self, room: Room, last: int) -> None:
        self._printer.state(map(_event, room.state.values()), Cursor(room.stream.epoch, room.place))
        self._print(list(room.events)[-last:] if last else ())
        self._place = room.place

    def _start_over(self, room: Room, last: int) -> None:
        logger.warning("%s: the cursor could not be honoured, events may have been missed; starting over", self._name)
        self._start(room, last)

    def _start_over_if_restarted(self) -> None:
        room = self._room
        if room is not None and room.generation != self._generation:
            self._generation = room.generation
            self._start_over(room, last=0)

    def _print(self, events: Iterable[RoomEvent]) -> None:
        for event in events:
            self._printer.event(_event(event))
            self._place = event.offset

    def _gone(self, topic: str) -> None:
        text = f"the topic {topic} does not exist; touchline topics --create makes it"
        if self._room is None:
            raise UnknownTopic(text)
        logger.warning("%s", text)

    def _note_problems(self) -> None:
        problems = dict(self._log.problems)
        for what, problem in problems.items():
            if self._problems.get(what) != problem:
                logger.warning("%s: %s", what, problem)
        self._problems = problems

    def _note_skips(self, skips: Sequence[Skip]) -> None:
        for skip in skips:
            self._skips += 1
            if self._skips <= SKIPS_NOTED_MAX:
                place = f"{skip.topic}[{skip.partition}]@{skip.offset}"
                logger.warning("%s left out, %s: %s", place, skip.reason, skip.message)


def _event(event: RoomEvent) -> touchline.Event:
    """As the SDK hands it out: by way of the message that an edge would send, so that values are read the same."""
    codec = CODECS[0]
    message = codec.decode_server(payload_of(event.frame(codec)))
    assert isinstance(message, Event)  # noqa: S101 - it was made from one
    return touchline.Event(message.room, message.offset, message.key, message.ts, message.data, event.stream.epoch)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
