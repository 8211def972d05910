"""Reads what the core asks for: old records from the log, and rooms from the room store.

The log and the store have tasks of their own, so that a log that does not answer holds up nobody who only joins. The
log is asked for one thing at a time, the store for a few rooms; what a storm of clients needs together the core asks
for once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from touchline_protocol.errors import LogUnavailable
from touchline_server.core.effects import AskLogEnd, FindOffset, LoadRoom, ReadLog, Unreachable
from touchline_server.core.log import NO_TERM, Chunk, Log, OffsetOutOfRange
from touchline_server.core.replays.room_loads import LOADS_MAX
from touchline_server.core.room_store import NotYet, RoomStore, StoredRoom
from touchline_server.core.rooms.old_records import Skip

from .driver import Driver, Request

logger = structlog.get_logger("touchline.edge")


class Replayer:
    """Answers the core's requests. ``report`` is given stored records that make no event."""

    def __init__(self, log: Log, store: RoomStore | None, report: Callable[[Sequence[Skip]], None]) -> None:
        self._log = log
        self._store = store
        self._report = report
        self._log_requests: asyncio.Queue[ReadLog | AskLogEnd | FindOffset] = asyncio.Queue()
        self._store_requests: asyncio.Queue[LoadRoom] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def ask(self, request: Request) -> None:
        """Queue a request."""
        if isinstance(request, LoadRoom):
            self._store_requests.put_nowait(request)
        else:
            self._log_requests.put_nowait(request)

    def start(self, driver: Driver) -> None:
        """Begin to answer."""
        self._tasks = [
            asyncio.create_task(_guarded(self._read_log(driver), driver.fail), name="replays"),
            *(
                asyncio.create_task(_guarded(self._load_rooms(driver), driver.fail), name=f"room-loads-{n}")
                for n in range(LOADS_MAX)
            ),
        ]

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read_log(self, driver: Driver) -> None:
        while True:  # each answer in a call of its own: nothing of it is held while this waits for the next request
            await self._answer_from_log(await self._log_requests.get(), driver)

    async def _answer_from_log(self, request: ReadLog | AskLogEnd | FindOffset, driver: Driver) -> None:
        if isinstance(request, ReadLog):
            began_ms, reads = driver.now().loop_ms, driver.core.counters.reads
            answer = await self._read(request)
            reads.log_ms.observe(driver.now().loop_ms - began_ms)
            reads.log_reads[_outcome(answer)] += 1
            driver.perform(driver.core.log_read(request.number, answer, driver.now()))
        elif isinstance(request, FindOffset):
            place = await self._find(request)
            driver.perform(driver.core.offset_found(request.number, place, driver.now()))
        else:
            end = await self._end(request)
            driver.perform(driver.core.log_end(request.number, end, driver.now()))

    async def _read(self, request: ReadLog) -> Chunk | Unreachable | None:
        window, after, up_to, term, is_proven = request.range
        where = (window.topic, window.topic_epoch, window.partition)
        term = NO_TERM if is_proven else term
        try:
            return await self._log.read(*where, after=after, up_to=up_to, records_max=request.records_max, term=term)
        except OffsetOutOfRange:
            return None
        except LogUnavailable as error:
            return Unreachable(str(error))

    async def _end(self, request: AskLogEnd) -> int | None:
        window = request.window
        try:
            return await self._log.end(window.topic, window.topic_epoch, window.partition, term=request.term)
        except (OffsetOutOfRange, LogUnavailable):  # if it is another log now, the room will start over
            return None

    async def _find(self, request: FindOffset) -> int | Unreachable | None:
        window = request.window
        where = (window.topic, window.topic_epoch, window.partition)
        try:
            return await self._log.find_offset(*where, since_ms=request.since_ms)
        except OffsetOutOfRange:  # it is another log now, and the room will start over
            return None
        except LogUnavailable as error:
            return Unreachable(str(error))

    async def _load_rooms(self, driver: Driver) -> None:
        while True:
            await self._answer_from_store(await self._store_requests.get(), driver)

    async def _answer_from_store(self, request: LoadRoom, driver: Driver) -> None:
        answer = await self._load(request)
        driver.core.counters.reads.room_loads[_outcome(answer)] += 1
        outcome = driver.core.room_loaded(request.number, answer, driver.now())
        self._report(outcome.skips)
        driver.perform(outcome.effects)

    async def _load(self, request: LoadRoom) -> StoredRoom | NotYet | Unreachable | None:
        if self._store is None:
            return None
        try:
            return await self._store.load(request.key, before=request.before)
        except LogUnavailable as error:
            logger.warning("room_state_unreadable", topic=request.key.topic, why=str(error))
            return Unreachable(str(error))


def _outcome(answer: Chunk | StoredRoom | NotYet | Unreachable | None) -> str:
    match answer:
        case None:
            return "not_found"
        case Unreachable():
            return "unavailable"
        case NotYet():
            return "not_yet"
        case _:
            return "found"


async def _guarded(work: Awaitable[None], fail: Callable[[Exception], None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - nobody awaits these tasks, and clients would wait for ever
        fail(error)
