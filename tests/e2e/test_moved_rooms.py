"""Partitions are added to a topic on a real broker: nobody misses an event, and all edges have the whole state."""

import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import CHECK_S, KafkaHarness
from support.kafka_truth import read_log
from support.log_harness import Raw
from support.node_fixture import Client, RunningNode, running_node
from support.traced_client import TracedClient
from support.waiting import eventually
from touchline_kafka.partitioner import partition_of
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.trace import Trace
from touchline_protocol.messages import Event, Subscribed
from touchline_server.config.tables import FeedSettings, KafkaSettings

PARTITIONS = 4
HOUR_MS = 3_600_000
KEYS = ("home", "away", "clock", "period", "possession")
MOVED = next(room for room in map(str, range(100)) if partition_of(room.encode(), PARTITIONS) == 3)
"""A room whose records go to another partition once there are four."""


@pytest.fixture
def harness(kafka: KafkaBroker) -> KafkaHarness:
    return KafkaHarness(kafka)


@contextlib.asynccontextmanager
async def edge(harness: KafkaHarness, topic: str) -> AsyncIterator[RunningNode]:
    async with running_node(
        url=f"kafka://{harness.broker.address}",
        feeds={"score": FeedSettings(topic=topic)},
        kafka=KafkaSettings(epoch_check_s=CHECK_S),
    ) as node:
        yield node


def raw(room: str, value: int, key: str | None = None, *, behind_ms: int = 0) -> Raw:
    headers = [] if key is None else [("key", key.encode())]
    return Raw(room.encode(), b"%d" % value, headers, int(time.time() * 1000) - behind_ms)


async def read(node: RunningNode, partitions: int = PARTITIONS) -> None:
    """Wait until an edge has noticed the added partitions."""
    windows = node.node.core.hub.feeds["score"].windows
    await eventually(lambda: len(windows) == partitions)


async def moved(client: Client, count: int) -> tuple[Subscribed, list[Event]]:
    """How a client starts over when its room moves, and the next events."""
    joined = await client.expect(Subscribed)
    return joined, await client.events(count)


def state_of(joined: Subscribed) -> dict[str | None, object]:
    return {event.key: event.data for event in joined.state}


async def test_an_edge_that_starts_after_partitions_were_added_has_the_state_of_all_rooms(
    harness: KafkaHarness,
) -> None:
    """20 rooms with 5 keys each; after 1 became 4 partitions each gets three more updates."""
    topic = await harness.create_topic()
    rooms = [f"room-{number}" for number in range(20)]
    await harness.append(topic, [raw(room, number, key) for room in rooms for number, key in enumerate(KEYS)])
    await harness.add_partitions(topic, PARTITIONS)
    await harness.append(topic, [raw(room, 10 + number, KEYS[number]) for number in range(3) for room in rooms])
    expected = {key: number + (10 if number < 3 else 0) for number, key in enumerate(KEYS)}
    async with edge(harness, topic) as node, node.client() as client:
        states = {room: state_of(await client.join(f"score:{room}")) for room in rooms}
    assert states == dict.fromkeys(rooms, expected)


async def test_all_clients_get_all_events_of_a_moved_room_though_producers_clocks_differ(harness: KafkaHarness) -> None:
    """Two producers write in turn, the first with a clock that is an hour behind."""
    topic = await harness.create_topic()
    await harness.append(topic, [raw(MOVED, number, KEYS[number % 2]) for number in range(4)])
    async with edge(harness, topic) as node, node.client() as client:
        live = TracedClient(client, Trace("live", f"score:{MOVED}"), restarts=True)
        await live.join()
        await harness.add_partitions(topic, PARTITIONS)
        await read(node)
        written = [raw(MOVED, 100 + number, behind_ms=(number + 1) % 2 * HOUR_MS) for number in range(20)]
        written.append(raw(MOVED, 200, KEYS[0], behind_ms=HOUR_MS))
        await harness.append(topic, written)
        await live.until_events(1)
        cursor = live.cursor
        await live.until_events(len(written))
        traced = [live]
        async with edge(harness, topic) as other:
            for name, one in (("one edge", node), ("another edge", other)):
                traced += [await follow(one, f"back at {name}", cursor, len(written) - 1), await follow(one, name)]
    assert [event.data for event in live.events] == [*range(100, 120), 200]
    log = await read_log(harness.broker.address, {"score": topic}, clocks_differ=True)
    for each in traced:
        each.settle()
    assert check_room(log.room(f"score:{MOVED}"), [each.trace for each in traced]) == []
    assert len(log.room(f"score:{MOVED}").parts) == 2, "the room did not move"


async def follow(node: RunningNode, name: str, after: tuple[str, int] | None = None, events: int = 0) -> TracedClient:
    """A client that joins, or comes back, and receives this many events."""
    async with node.client() as client:
        traced = TracedClient(client, Trace(name, f"score:{MOVED}"), after=after)
        assert (await traced.join()).recovered == (after is not None)
        await traced.until_events(events)
        return traced


async def test_a_cursor_from_the_state_of_a_moved_room_leads_to_every_event_after_it(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    await harness.append(topic, [raw(MOVED, number, KEYS[0]) for number in range(30)])
    async with edge(harness, topic) as node, node.client() as client:
        await client.join(f"score:{MOVED}")
        await harness.add_partitions(topic, PARTITIONS)
        await read(node)
        others = [f"other-{number}" for number in range(100)]
        beside = [room for room in others if partition_of(room.encode(), PARTITIONS) == 3][:10]
        await harness.append(topic, [raw(room, 0) for room in beside])
        await harness.append(topic, [raw(MOVED, number) for number in range(100, 105)])
        await moved(client, 5)
        async with node.client() as late, node.client() as back:
            joined = await late.join(f"score:{MOVED}")
            (state,) = joined.state
            assert state.offset < joined.head
            await back.join(f"score:{MOVED}", epoch=joined.epoch, after=state.offset)
            assert [event.data for event in await back.events(5)] == list(range(100, 105))
