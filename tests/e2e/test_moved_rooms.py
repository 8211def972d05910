"""Partitions are added to a topic on a real broker: nobody misses an event, and all edges have the whole state."""

import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import CHECK_S, KafkaHarness
from support.log_harness import Raw
from support.node_fixture import Client, RunningNode, running_node
from support.waiting import eventually
from touchline_kafka.partitioner import partition_of
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


def positioned(event: Event) -> tuple[int, object]:
    return event.offset, event.data


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
    async with edge(harness, topic) as node, node.client() as live:
        await live.join(f"score:{MOVED}")
        await harness.add_partitions(topic, PARTITIONS)
        await read(node)
        written = [raw(MOVED, 100 + number, behind_ms=(number + 1) % 2 * HOUR_MS) for number in range(20)]
        written.append(raw(MOVED, 200, KEYS[0], behind_ms=HOUR_MS))
        await harness.append(topic, written)
        joined, got = await moved(live, len(written))
        async with edge(harness, topic) as other, node.client() as back, other.client() as elsewhere:
            for client in (back, elsewhere):
                resumed = await client.join(f"score:{MOVED}", epoch=joined.epoch, after=got[0].offset)
                assert resumed.recovered
                again = await client.events(len(written) - 1)
                assert [positioned(event) for event in again] == [positioned(event) for event in got[1:]]
            late = [await _joined(each) for each in (node, other)]
    assert [event.data for event in got] == [*range(100, 120), 200]
    assert [state_of(each) for each in late] == [{KEYS[0]: 200, KEYS[1]: 3}] * 2


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


async def _joined(node: RunningNode) -> Subscribed:
    async with node.client() as client:
        return await client.join(f"score:{MOVED}")
