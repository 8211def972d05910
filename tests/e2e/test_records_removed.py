"""A real broker removes records, by compaction or before they were read: clients go on, and see no wrong value."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

import touchline
from edge.streams import stream
from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.kafka_truth import add_log, read_log
from support.log_harness import Raw
from support.node_fixture import Client, RunningNode, running_node
from support.processes import EdgeProcess
from support.traced_client import TracedClient
from support.waiting import DEADLINE_S
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.room_log import TopicFacts
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.checks.trace import Skipped, Trace
from touchline_loadtest.free_ports import free_ports
from touchline_protocol.codecs import JSON, MSGPACK
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Event, Subscribed
from touchline_server.config.tables import FeedSettings

ROOM = "score:1"
WINDOW_S = 60.0
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "1",  # each record gets a segment of its own: the newest one is never compacted
    "min.cleanable.dirty.ratio": "0",
    "min.compaction.lag.ms": "0",
}


@pytest.fixture
def harness(kafka: KafkaBroker) -> KafkaHarness:
    return KafkaHarness(kafka)


async def until_compacted(broker: KafkaBroker, topic: str, kept: Sequence[int]) -> None:
    """Wait until a topic holds no other records than those of some offsets."""
    partition = TopicPartition(topic, 0)
    async with asyncio.timeout(DEADLINE_S), AIOKafkaConsumer(bootstrap_servers=broker.address) as consumer:
        consumer.assign([partition])
        offsets: list[int] = []
        while offsets != kept:
            await consumer.seek_to_beginning(partition)
            offsets = []
            while not offsets or offsets[-1] < kept[-1]:
                offsets += [record.offset for record in (await consumer.getmany(timeout_ms=100)).get(partition, [])]


@contextlib.asynccontextmanager
async def compacted_edge(harness: KafkaHarness) -> AsyncIterator[tuple[RunningNode, Cursor, RunLog]]:
    """An edge, and the cursor of a client that has seen event 2: 3 to 5 are compacted away; the window has only 6.

    The log has what there was before.
    """
    topic = harness.unused_name()
    await harness.broker.create(topic, configs=COMPACTED)
    feeds = {"score": FeedSettings(topic=topic)}
    async with running_node(url=f"kafka://{harness.broker.address}", feeds=feeds, window_s=WINDOW_S) as node:
        async with node.client() as client:
            epoch = (await client.join(ROOM)).epoch
            for number in range(6):
                await node.publish(ROOM, number, key="score")
            await client.events(6)
            with node.clocks_ahead(WINDOW_S + 1):
                node.tick()
            for number in (6, 7):
                await node.publish(ROOM if number == 6 else "score:2", number, key="score")
            assert (await client.expect(Event)).prev == 5

        log = await read_log(harness.broker.address, {"score": topic}, TopicFacts(compacted=True))
        await until_compacted(harness.broker, topic, [6, 7])
        yield node, Cursor(epoch, 2), log
        await add_log(log, harness.broker.address, {"score": topic}, TopicFacts(compacted=True))


async def test_clients_go_on_over_events_that_were_compacted_away(harness: KafkaHarness) -> None:
    """Every kind of client gets 6, and then what comes, over one connection."""
    async with (
        compacted_edge(harness) as (node, cursor, log),
        node.client(JSON) as json,
        node.client(MSGPACK) as msgpack,
        stream(node, last_event_id=str(cursor)) as source,
        touchline.connect(node.url, proxy=False) as sdk,
    ):
        subscription = sdk.subscribe(ROOM, after=cursor)
        events = aiter(subscription)
        after = (cursor.epoch, cursor.offset)
        sse = TracedClient(source, Trace("sse", ROOM), after=after)
        sockets = [TracedClient(client, Trace(client.codec.name, ROOM), after=after) for client in (json, msgpack)]
        for client in sockets:
            await client.join()
        traced = [*sockets, sse]
        for client in traced:
            await client.until_events(1)
            skips = [item for item in client.trace.items if isinstance(item, Skipped)]
            assert [(skip.first, skip.last, skip.left_out) for skip in skips] == [(3, 5, 0)]
            event = client.events[0]
            assert (event.offset, event.prev, event.data) == (6, 5, 6)
        async with asyncio.timeout(DEADLINE_S):
            assert (await anext(events)).data == 6
        await node.publish(ROOM, 8, key="score")
        for client in traced:
            await client.until_events(2)
            client.settle()
        async with asyncio.timeout(DEADLINE_S):
            assert (await anext(events)).data == 8
        assert (subscription.gaps, subscription.restarts, subscription.recovered) == (0, 0, True)
        assert subscription.state["score"].data == 8
    assert check_room(log.room(ROOM), [client.trace for client in traced]) == []


async def test_an_edge_that_retention_overtook_shows_no_value_from_before_the_lost_records(
    harness: KafkaHarness, tmp_path: Path
) -> None:
    """The edge is held up; meanwhile ``goals`` becomes 2, and that record is deleted before the edge can read it."""
    topic = await harness.create_topic()
    goals = [("key", b"goals")]
    config = tmp_path / "touchline.toml"
    config.write_text(f'[feeds.score]\ntopic = "{topic}"\n')
    port, control_port = free_ports(2)
    edge = EdgeProcess("edge", f"kafka://{harness.broker.address}", config, (port, control_port))
    await harness.append(topic, [Raw(b"1", b"1", goals)])
    await edge.start()
    try:
        async with connect(
            edge.url, subprotocols=[Subprotocol(JSON.subprotocol)], compression=None, proxy=None
        ) as websocket:
            client = Client(websocket, JSON)
            await client.greet()
            joined = await client.join(ROOM)
            assert [event.data for event in joined.state] == [1]
            edge.send_signal(signal.SIGSTOP)
            await harness.append(topic, [Raw(b"1", b'"answers the read that is under way"')])
            await harness.append(topic, [Raw(b"1", b"2", goals), Raw(b"1", b'"kept"')])
            await harness.trim(topic, 0, 3)
            edge.send_signal(signal.SIGCONT)
            state: dict[str | None, object] = {"goals": 1}
            state_complete = joined.state_complete
            message = await client.next()
            while not (isinstance(message, Event) and message.data == "kept"):
                if isinstance(message, Subscribed):
                    assert not message.recovered
                    state = {event.key: event.data for event in message.state}
                    state_complete = message.state_complete
                message = await client.next()
            assert (state, state_complete) == ({}, False)
    finally:
        await edge.stop(signal.SIGKILL)
