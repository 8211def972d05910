"""Clients move from one log to a mirror of it that has the same records at other offsets, as MirrorMaker 2 copies them.

The log with clients ends; an edge of the mirror takes over its port. With the embedded log in the gate, and with two
Kafka brokers in `make test-all`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import touchline
from support.kafka_broker import KafkaBroker
from support.node_fixture import running_node
from support.waiting import eventually
from touchline_loadtest.free_ports import free_ports
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import Entry

TOPIC = "moving-events"
FEEDS = {"score": FeedSettings(topic=TOPIC)}
ROOMS = ("1", "2", "3")
CLIENTS = 6
STEP_MS = 500
SETTINGS: dict[str, Any] = {"feeds": FEEDS, "move_margin_s": 5.0}
COPIED, LOST, NEW, LIVE = 60, 3, 12, 6
"""Records that the mirror has, that it lacks, that are written to it before the clients come, and after that."""


def made(start_ms: int, first: int, count: int) -> list[Entry]:
    """Records with numbers from ``first`` on. Half of them have a key, and one producer's clock is a second behind."""
    return [
        Entry(
            ROOMS[number % len(ROOMS)].encode(),
            b"%d" % number,
            [("key", b"score")] if number % 2 else [],
            start_ms + STEP_MS * number - 1_000 * (number % 4 == 0),
        )
        for number in range(first, first + count)
    ]


def older(start_ms: int) -> list[Entry]:
    """Records that only the mirror has, so that it has other offsets."""
    return [Entry(room.encode(), b"-1", (), start_ms - 60_000) for room in ROOMS * 5]


def in_room(room: str, end: int) -> list[int]:
    return [number for number in range(end) if ROOMS[number % len(ROOMS)] == room]


async def append(url: str, entries: Sequence[Entry]) -> None:
    """Append as producers do, and MirrorMaker."""
    async with running_node(url=url, **SETTINGS) as node:
        await node.node.log.append(TOPIC, entries)


class Reader:
    """A subscription that is read to its end by a task."""

    def __init__(self, client: touchline.Client, room: str) -> None:
        self.room = room
        self.subscription = client.subscribe(f"score:{room}")
        self.got: list[int] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.subscription:
            self.got.append(event.data)


@contextlib.asynccontextmanager
async def crowd(url: str) -> AsyncIterator[list[Reader]]:
    """Clients of an edge, each in one room, that follow their rooms from the beginning."""
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for number in range(CLIENTS):
            backoff = touchline.Backoff(base_s=0.05, max_s=0.2)
            client = await stack.enter_async_context(touchline.connect(url, proxy=False, backoff=backoff))
            readers.append(Reader(client, ROOMS[number % len(ROOMS)]))
            await readers[-1].subscription.joined()
        yield readers


async def all_have(readers: list[Reader], end: int) -> None:
    """Wait until each has the last event of its room before ``end``."""
    await eventually(lambda: all(reader.got[-1:] == in_room(reader.room, end)[-1:] for reader in readers))


async def check_failover(source: str, mirror: str, **settings: Any) -> None:
    """Nobody starts over, and every client has the whole sequence once, although the mirror lacks the newest events."""
    start_ms = int(time.time() * 1000) - 120_000
    (port,) = free_ports(1)
    end = COPIED + LOST
    await append(mirror, [*older(start_ms), *made(start_ms, 0, COPIED), *made(start_ms, end, NEW)])
    async with contextlib.AsyncExitStack() as stack:
        async with running_node(url=source, port=port, **SETTINGS) as node:
            readers = await stack.enter_async_context(crowd(node.url))
            await node.node.log.append(TOPIC, made(start_ms, 0, end))
            await all_have(readers, end)
        async with running_node(url=mirror, port=port, **(SETTINGS | settings)) as node:
            end += NEW
            await all_have(readers, end)
            await node.node.log.append(TOPIC, made(start_ms, end, LIVE))
            end += LIVE
            await all_have(readers, end)
    for reader in readers:
        assert reader.got == in_room(reader.room, end)
        subscription = reader.subscription
        assert (subscription.restarts, subscription.moves, subscription.gaps) == (0, 1, 0)
        assert subscription.state["score"].data == [number for number in in_room(reader.room, end) if number % 2][-1]


async def check_another_log(source: str, other: str) -> None:
    """The other log has the rooms, and older records, but none of the events: every client starts over, once."""
    start_ms = int(time.time() * 1000) - 120_000
    (port,) = free_ports(1)
    strange = [entry._replace(value=b'"other"') for entry in made(start_ms, 0, COPIED)]
    await append(other, [*older(start_ms), *strange])
    async with contextlib.AsyncExitStack() as stack:
        async with running_node(url=source, port=port, **SETTINGS) as node:
            readers = await stack.enter_async_context(crowd(node.url))
            await node.node.log.append(TOPIC, made(start_ms, 0, COPIED))
            await all_have(readers, COPIED)
        async with running_node(url=other, port=port, **SETTINGS):
            await eventually(lambda: all(reader.subscription.restarts == 1 for reader in readers))
    for reader in readers:
        assert reader.got == in_room(reader.room, COPIED), "an event of another log came without a start over"
        assert (reader.subscription.moves, reader.subscription.state["score"].data) == (0, "other")


async def test_clients_move_to_a_mirror_of_an_embedded_log(tmp_path: Path) -> None:
    source, mirror = (f"sqlite:///{tmp_path}/{name}.db" for name in ("source", "mirror"))
    await check_failover(source, mirror, window_s=1.0)  # the missed events are in the log alone


@pytest.mark.long
async def test_clients_start_over_in_another_embedded_log(tmp_path: Path) -> None:
    source, other = (f"sqlite:///{tmp_path}/{name}.db" for name in ("source", "other"))
    await check_another_log(source, other)


@pytest.mark.long
@pytest.mark.parametrize("window_s", [600.0, 1.0], ids=["from memory", "from the log"])
async def test_clients_move_to_a_mirror_in_another_cluster(
    window_s: float, kafka_factory: Callable[[], KafkaBroker]
) -> None:
    source, mirror = kafka_factory(), kafka_factory()
    for broker in (source, mirror):
        await broker.create(TOPIC, partitions=2)
    await check_failover(f"kafka://{source.address}", f"kafka://{mirror.address}", window_s=window_s)


@pytest.mark.long
async def test_clients_start_over_when_the_topic_is_made_again_with_other_data(
    kafka_factory: Callable[[], KafkaBroker],
) -> None:
    source, other = kafka_factory(), kafka_factory()
    for broker in (source, other):
        await broker.create(TOPIC, partitions=2)
    await check_another_log(f"kafka://{source.address}", f"kafka://{other.address}")
