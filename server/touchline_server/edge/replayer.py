"""The replayer: brings clients what only the log holds.

At most ``replay_concurrency`` catch-ups are under way at once; the others wait in the order they came. Each is read in
chunks, and flow control has a say after each part of one that is as large as a step: a client that takes no more gives
up its place, and queues again later. A chunk is read, and its events are encoded, once for all who ask for it together:
those who lost their edge have the same few cursors.

Knows the log only as a `ReplaySource`, which the node makes of it.
"""

import asyncio
import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from touchline_protocol import codes
from touchline_protocol.errors import LogUnavailable
from touchline_protocol.records import Record
from touchline_server.core.hub import Hub
from touchline_server.core.partition_window import RoomEvent, Stream
from touchline_server.core.room import Room
from touchline_server.core.snapshots import STEP_BYTES
from touchline_server.core.subscription import Next, Phase, Step, Subscription, Wanted

if TYPE_CHECKING:
    from .connection import Connection
    from .scheduler import Turns

CHUNK_RECORDS = 500
"""Records of one read: with 600-byte events some 300 KB, decoded in about 2 ms."""

CHUNKS_MAX = 8
"""Chunks kept, about half a megabyte each: as many as there are cursors in a storm, give or take."""

CHUNK_KEPT_S = 2.0
"""How long: those who come back together do so within a moment, and who reads slowly asks for the rest of one."""

RETRY_S = 0.5
"""Between two tries of a catch-up while the log does not answer."""


class Replayed(NamedTuple):
    """Records that were read, and the offset up to which there are no others."""

    records: Sequence[Record]
    reached: int


class ReplaySource(Protocol):
    """What the replayer needs of a log."""

    async def read(self, wanted: Wanted, records_max: int) -> Replayed | None:
        """Read of a range; None where the log does not hold it. Raises LogUnavailable."""

    async def end(self, wanted: Wanted) -> int | None:
        """The offset of the stream's next record; None where it is another log now. Raises LogUnavailable."""


class _Chunk(NamedTuple):
    """A room's events among the records that were read, and how far those go."""

    events: Sequence[RoomEvent]
    reached: int

    def after(self, offset: int) -> "_Chunk":
        """What of it follows an offset."""
        return _Chunk(self.events[bisect_right(self.events, offset, key=lambda event: event.offset) :], self.reached)


class _Reading(NamedTuple):
    """A chunk that is being read, or was: what follows ``after`` in a room's stream."""

    room: Room
    stream: Stream
    after: int
    task: "asyncio.Task[_Chunk | None]"

    def serves(self, room: Room, wanted: Wanted) -> bool:
        """Whether what is wanted for a room is in it."""
        if self.room is not room or self.stream is not wanted.stream:
            return False
        if self.after == wanted.after:
            return True
        if not self.task.done() or self.task.exception() is not None:
            return False
        chunk = self.task.result()
        return chunk is not None and self.after < wanted.after < chunk.reached


class Replayer:
    """Runs the catch-ups that need the log."""

    def __init__(self, hub: Hub, source: ReplaySource) -> None:
        self._hub = hub
        self._source = source
        self._queue: asyncio.Queue[tuple[Subscription, Next]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._readings: deque[_Reading] = deque(maxlen=CHUNKS_MAX)

    def start(self, turns: "Turns", replays_max: int, failed: Callable[[Exception], None]) -> None:
        """Begin to serve; ``turns`` takes the clients over when they need the log no more.

        ``failed`` is told what ends a worker: a mistake of ours.
        """
        self._tasks = [asyncio.create_task(self._run(turns, failed), name=f"replay-{n}") for n in range(replays_max)]

    async def stop(self) -> None:
        """End the catch-ups under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def fetch(self, subscription: Subscription, need: Next) -> None:
        """Queue a subscription whose step asked for the log, or for its end."""
        self._queue.put_nowait((subscription, need))

    async def _run(self, turns: "Turns", failed: Callable[[Exception], None]) -> None:
        try:
            await self._work(turns)
        except Exception as error:  # noqa: BLE001 - a task's error is seen by nobody, and clients would wait for ever
            failed(error)

    async def _work(self, turns: "Turns") -> None:
        while True:
            subscription, need = await self._queue.get()
            connection = cast("Connection", subscription.session.client)
            try:
                step = await (self._end(subscription) if need is Next.END else self._replay(subscription, connection))
            except LogUnavailable as error:
                if subscription.phase is Phase.JOINING:
                    text = f"the events since the cursor are in the log alone, and it does not answer: {error}"
                    subscription.session.refuse(subscription, codes.UNAVAILABLE, text)
                    connection.answer()
                elif subscription.phase is not Phase.LEFT:
                    await asyncio.sleep(RETRY_S)
                    self.fetch(subscription, need)
                continue
            if subscription.phase is not Phase.LEFT:
                connection.stepped(subscription, step)
                turns.catch_up(connection)

    async def _end(self, subscription: Subscription) -> Step:
        """Is a cursor beyond what this edge has read one of the future, or of no log at all?"""
        if _is_over(subscription):
            return Step(b"", Next.STEP)  # unasked: or whoever joins and leaves all the time would keep the log busy
        try:
            end = await self._source.end(subscription.wanted)
        except LogUnavailable:
            end = None  # then it is believed: at worst the client waits for nothing
        if _is_over(subscription):
            return Step(b"", Next.STEP)
        return subscription.ended(end)

    async def _replay(self, subscription: Subscription, connection: "Connection") -> Step:
        """Read until the window holds the rest, or the client takes no more."""
        while not _is_over(subscription) and not subscription.session.paused:
            wanted = subscription.wanted
            if wanted.after >= wanted.up_to:
                break
            if wanted.up_to - wanted.after > subscription.replay_left:
                return subscription.out_of_reach()
            chunk = await self._chunk(subscription, wanted)
            if _is_over(subscription):
                break
            if chunk is None:
                return subscription.out_of_reach()
            for part, reached in _parts(chunk.events, chunk.reached):
                connection.say(subscription.replay(part, reached).data)
                if subscription.session.paused:
                    break  # what is left of the chunk is read again
        return Step(b"", Next.STEP)

    async def _chunk(self, subscription: Subscription, wanted: Wanted) -> _Chunk | None:
        """The next chunk for a subscription; None where the log does not hold it."""
        room = subscription.room
        reading = next((known for known in self._readings if known.serves(room, wanted)), None)
        if reading is None:
            task = asyncio.create_task(self._read(room, wanted, subscription.replayed))
            reading = _Reading(room, wanted.stream, wanted.after, task)
            self._readings.append(reading)
            asyncio.get_running_loop().call_later(CHUNK_KEPT_S, self._forget, reading)
        try:
            chunk = await reading.task
        except LogUnavailable:
            self._forget(reading)
            raise
        return chunk and chunk.after(wanted.after)

    def _forget(self, reading: _Reading) -> None:
        with contextlib.suppress(ValueError):  # it was forgotten already
            self._readings.remove(reading)

    async def _read(self, room: Room, wanted: Wanted, prev: int | None) -> _Chunk | None:
        replayed = await self._source.read(wanted, CHUNK_RECORDS)
        if replayed is None:
            return None
        return _Chunk(self._hub.replayed(room, wanted.stream, replayed.records, prev), replayed.reached)


def _parts(events: Sequence[RoomEvent], reached: int) -> Iterator[tuple[Sequence[RoomEvent], int]]:
    """Cut what was read into parts as large as a step, each with how far it goes."""
    begin = size = 0
    for position, event in enumerate(events):
        size += event.size
        if size >= STEP_BYTES:
            yield events[begin : position + 1], event.offset
            begin, size = position + 1, 0
    yield events[begin:], reached


def _is_over(subscription: Subscription) -> bool:
    """Whether what was read is of no use: the client left, or the room has started over meanwhile."""
    return subscription.phase is Phase.LEFT or subscription.generation != subscription.room.generation
