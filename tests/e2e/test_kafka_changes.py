"""What clients and operators see when Kafka goes away, or a topic is not what it was: a whole node, the real broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from support.kafka_broker import KafkaBroker
from support.kafka_truth import add_log, read_log
from support.node_fixture import Client, RunningNode, running_node
from support.traced_client import TracedClient
from support.waiting import eventually
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.checks.trace import Trace
from touchline_protocol.messages import Event, Subscribed
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import AppendFailed, UnknownTopic

WAIT_S = 90.0
"""A broker takes seconds to start, and aiokafka to believe it."""


@contextlib.asynccontextmanager
async def node_of(broker: KafkaBroker, topic: str) -> AsyncIterator[RunningNode]:
    feeds = {"score": FeedSettings(topic=topic)}
    async with running_node(url=f"kafka://{broker.address}", feeds=feeds) as node:
        yield node


async def degraded(node: RunningNode) -> dict[str, str]:
    """What the edge names as wrong. It is ready all the same, unless it is asked strictly."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.node.control_port}") as http:
        strict, lenient = await http.get("/readyz/strict"), await http.get("/readyz")
    assert lenient.status_code == 200
    named: dict[str, str] = strict.json().get("degraded", {})
    assert strict.status_code == (503 if named else 200)
    return named


async def until_degraded(node: RunningNode) -> dict[str, str]:
    async with asyncio.timeout(WAIT_S):
        while not (found := await degraded(node)):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.05)
    return found


async def until_healthy(node: RunningNode) -> None:
    async with asyncio.timeout(WAIT_S):
        while await degraded(node):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.05)


async def publish(node: RunningNode, value: int, room: str = "score:1", key: str | None = "score") -> None:
    """Publish as a producer does that tries again while the log is coming back."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await node.publish(room, value, key=key)
            except (AppendFailed, UnknownTopic):
                await asyncio.sleep(0.1)
            else:
                return


async def data_of(client: Client) -> object:
    async with asyncio.timeout(WAIT_S):
        return (await client.expect(Event)).data


async def test_while_the_broker_is_away_the_edge_serves_what_it_has_and_then_goes_on(
    kafka_factory: Callable[[], KafkaBroker],
) -> None:
    broker = kafka_factory()
    await broker.create("score-events", 2)
    async with node_of(broker, "score-events") as node, node.client() as there:
        await there.join("score:1")
        await publish(node, 1)
        assert await data_of(there) == 1
        assert not await degraded(node)

        await asyncio.to_thread(broker.stop, kill=True)
        problems = await until_degraded(node)
        assert any(broker.address in f"{what}: {problem}" for what, problem in problems.items()), problems
        async with node.client() as late:
            joined = await late.join("score:1")
            assert [event.data for event in joined.state] == [1]
        async with node.client() as back:
            joined = await back.join("score:1", epoch=joined.epoch, after=joined.head)
            assert joined.recovered

        broker.launch()
        await asyncio.to_thread(broker.wait_started)
        await until_healthy(node)
        await publish(node, 2)
        event = await there.expect(Event)
        assert (event.data, event.prev) == (2, joined.head)


async def test_clients_of_a_topic_that_was_made_anew_are_told_and_start_over(kafka: KafkaBroker) -> None:
    await kafka.create("made-anew", 1)
    log = RunLog()
    async with node_of(kafka, "made-anew") as node, node.client() as client:
        live = TracedClient(client, Trace("live", "score:1"), restarts=True)
        before = await live.join()
        for value in (1, 2):
            await publish(node, value)
        await live.until_events(2)
        await add_log(log, kafka.address, {"score": "made-anew"})
        await kafka.delete("made-anew")
        problems = await until_degraded(node)
        assert "made-anew" in problems
        await kafka.create("made-anew", 1)
        anew = await live.next()
        assert isinstance(anew, Subscribed)
        assert (anew.recovered, anew.state) == (False, [])
        assert anew.epoch != before.epoch
        await until_healthy(node)
        await publish(node, 3)
        await live.until_events(3)
        async with node.client() as returning:
            back = TracedClient(returning, Trace("back", "score:1"), after=(before.epoch, 1), restarts=True)
            assert not (await back.join()).recovered
            assert back.state == {"score": 3}
        for traced in (live, back):
            traced.settle()
        await add_log(log, kafka.address, {"score": "made-anew"}, generation=1)
        assert check_room(log.room("score:1"), [live.trace, back.trace]) == []


@pytest.mark.parametrize("room_id", ["1", "2", "3"])
async def test_when_partitions_are_added_rooms_go_on_or_are_told(kafka: KafkaBroker, room_id: str) -> None:
    """Whether a room moves is up to its key; either way its clients miss nothing, and know where they are."""
    topic, room = f"extended-{room_id}", f"score:{room_id}"
    await kafka.create(topic, 1)
    async with node_of(kafka, topic) as node, node.client() as client:
        live = TracedClient(client, Trace("live", room), restarts=True)
        await live.join()
        await publish(node, 1, room)
        await live.until_events(1)
        await kafka.add_partitions(topic, 4)
        partitions = node.node.core.hub.feeds["score"].windows
        await eventually(lambda: len(partitions) == 4, WAIT_S)
        await asyncio.gather(*(publish(node, value, room, None) for value in range(2, 6)))
        async with asyncio.timeout(WAIT_S):
            await live.until_events(5)
    assert live.state == {"score": 1}
    live.settle()
    log = await read_log(kafka.address, {"score": topic}, clocks_differ=True)
    assert check_room(log.room(room), [live.trace]) == []
    assert sorted(event.data for event in live.events) == [1, 2, 3, 4, 5]
