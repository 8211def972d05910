"""Publishers, one per feed, which note exactly what they sent and what Kafka acknowledged."""

import asyncio
import itertools
import time
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from cluster.scene import FINAL_KEY, KEYS, Feed, rooms_of
from touchline_loadtest.checks.partition_log import LogId

REMOVALS, HAPPENINGS = 0.1, 0.4
"""The shares of events that remove a key, and of those without a key."""

LINGER_MS = 5
METADATA_AGE_MS = 2_000
"""How soon a producer notices partitions that were added: two producers do at different times."""
REQUEST_TIMEOUT_MS = 20_000
LATE_MS = 200_000
"""How far the clock of a late producer is behind: less than what edges keep in memory, and more than a move takes."""
RETRY_S = 0.5
FINAL_TIMEOUT_S = 60.0


class Sent(NamedTuple):
    """An event as its producer sent it. ``removal``: it removes its key.

    ``order`` counts the events of all producers, since their clocks, and so the numbers, may differ.
    """

    order: int
    number: int
    room: str
    key: str | None
    removal: bool


class Numbers:
    """Numbers of events, each once: Unix milliseconds by one of two clocks, even by the right one, odd by the other."""

    _order = itertools.count(1)

    def __init__(self, *, late: bool = False) -> None:
        self._late = late
        self._last = 0

    def next(self) -> tuple[int, int]:
        """The next place in the order of all events of this process, and the next number."""
        now_ms = time.time_ns() // 1_000_000 - (LATE_MS if self._late else 0)
        self._last = max(self._last + 2, now_ms // 2 * 2 + self._late)
        return next(self._order), self._last


class Publisher:
    """Publishes to one feed until it is stopped. ``generation`` counts how often the topic was created again."""

    def __init__(self, feed: Feed, address: str, rate_hz: float, numbers: Numbers, random: Random) -> None:
        self.feed = feed
        self.generation = 0
        self.sent: dict[int, Sent] = {}
        self.acked: dict[int, tuple[LogId, int]] = {}
        self.failed: dict[int, str] = {}
        self._address = address
        self._rate_hz = rate_hz
        self._numbers = numbers
        self._random = random
        self._allowed = asyncio.Event()
        self._idle = asyncio.Event()
        self._allowed.set()

    async def run(self) -> None:
        """Publish. A producer that failed is replaced: its unacknowledged events are not sent again."""
        while True:
            await self._allowed.wait()
            self._idle.clear()
            try:
                await self._with_producer(self._publish)
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(RETRY_S)
            finally:
                self._idle.set()

    async def pause(self) -> None:
        """Stop publishing, and wait until what was sent is acknowledged or given up."""
        self._allowed.clear()
        await self._idle.wait()

    def resume(self) -> None:
        """Go on with a new producer, which asks again what partitions there are."""
        self._allowed.set()

    async def finish(self) -> dict[str, int]:
        """Publish the last event of each room, as often as needed, and return their numbers. Only after `pause`."""
        newest: dict[str, int] = {}
        async with asyncio.timeout(FINAL_TIMEOUT_S):
            while len(newest) < len(rooms_of(self.feed)):
                try:
                    await self._with_producer(lambda producer: self._finish(producer, newest))
                except (KafkaError, OSError, TimeoutError):
                    await asyncio.sleep(RETRY_S)
        return newest

    async def _finish(self, producer: AIOKafkaProducer, newest: dict[str, int]) -> None:
        for room in rooms_of(self.feed):
            if room not in newest:
                event = Sent(*self._numbers.next(), room, FINAL_KEY, removal=False)
                await (await self._send(producer, event))
                newest[room] = event.number

    async def _with_producer(self, use: Callable[[AIOKafkaProducer], object]) -> None:
        durable = not self.feed.lossy
        producer = AIOKafkaProducer(
            bootstrap_servers=self._address,
            acks="all" if durable else 1,
            enable_idempotence=durable,
            linger_ms=LINGER_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            metadata_max_age_ms=METADATA_AGE_MS,
        )
        try:
            await producer.start()
            await use(producer)  # type: ignore[misc]
        finally:
            await producer.stop()

    async def _publish(self, producer: AIOKafkaProducer) -> None:
        failures = len(self.failed)
        while self._allowed.is_set() and len(self.failed) == failures:
            await self._send(producer, self._new_event())
            await asyncio.sleep(self._random.expovariate(self._rate_hz))
        await producer.flush()

    def _new_event(self) -> Sent:
        room = self._random.choice(rooms_of(self.feed))
        kind = self._random.random()
        key = None if kind < HAPPENINGS else self._random.choice(KEYS)
        return Sent(*self._numbers.next(), room, key, removal=kind > 1 - REMOVALS)

    async def _send(self, producer: AIOKafkaProducer, event: Sent) -> "asyncio.Future[object]":
        self.sent[event.number] = event
        future: asyncio.Future[object] = await producer.send(
            self.feed.topic,
            None if event.removal else msgspec.json.encode({"number": event.number}),
            key=event.room.partition(":")[2].encode(),
            headers=[] if event.key is None else [("key", event.key.encode())],
            timestamp_ms=event.number,
        )
        generation = self.generation
        future.add_done_callback(lambda done: self._note(event, generation, done))
        return future

    def _note(self, event: Sent, generation: int, done: "asyncio.Future[object]") -> None:
        if done.cancelled() or done.exception() is not None:
            self.failed[event.number] = "cancelled" if done.cancelled() else repr(done.exception())
            return
        metadata = done.result()
        log = LogId(self.feed.topic, generation, metadata.partition)  # type: ignore[attr-defined]
        self.acked[event.number] = (log, metadata.offset)  # type: ignore[attr-defined]
