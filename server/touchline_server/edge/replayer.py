"""The replayer: brings clients what only the log holds.

At most ``replays_max`` catch-ups are under way at once; the others wait in the order they came. Each is read in chunks,
and flow control has a say after each part of one that fills a write buffer: a client that takes no more gives up its
place, and queues again later.

Knows the log only as a `ReplaySource`, which the node makes of it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from touchline_protocol import codes
from touchline_protocol.errors import LogUnavailable
from touchline_protocol.records import Record
from touchline_server.core.hub import Hub
from touchline_server.core.shared import STEP_BYTES
from touchline_server.core.stream import RoomEvent
from touchline_server.core.subscription import Next, Phase, Step, Subscription, Wanted

if TYPE_CHECKING:
    from .connection import Connection
    from .turns import Turns

CHUNK_RECORDS = 500
"""Records of one read: with 600-byte events some 300 KB, decoded in about 2 ms."""

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


class Replayer:
    """Runs the catch-ups that need the log."""

    def __init__(self, hub: Hub, source: ReplaySource) -> None:
        self._hub = hub
        self._source = source
        self._queue: asyncio.Queue[tuple[Subscription, Next]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

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
            replayed = await self._source.read(wanted, CHUNK_RECORDS)
            if _is_over(subscription):
                break
            if replayed is None:
                return subscription.out_of_reach()
            events = self._hub.replayed(subscription.room, wanted.stream, replayed.records)
            for part, reached in _parts(events, replayed.reached):
                connection.say(subscription.replay(part, reached).data)
                if subscription.session.paused:
                    break  # what is left of the chunk is read again
        return Step(b"", Next.STEP)


def _parts(events: Sequence[RoomEvent], reached: int) -> Iterator[tuple[Sequence[RoomEvent], int]]:
    """Cut what was read into parts that fill a write buffer, each with how far it goes."""
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
