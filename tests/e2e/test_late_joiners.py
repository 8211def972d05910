"""A client that joins long after a room's events has the whole state at any edge, or hears that keys may be missing."""

import time
import uuid
from typing import Any

import httpx
import pytest

import touchline
from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.kafka_truth import read_log
from support.log_harness import Raw
from support.node_fixture import RunningNode, running_node
from support.traced_client import TracedClient
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.trace import Trace
from touchline_protocol.messages import Subscribed
from touchline_server.config.tables import FeedSettings, VerdictsSettings

HOUR_MS = 3_600_000


def aged(age_ms: int, *events: tuple[str, bytes]) -> list[Raw]:
    """Events of the room 1 of that age: each a key and a value."""
    timestamp = time.time_ns() // 1_000_000 - age_ms
    return [Raw(b"1", value, [("key", key.encode())], timestamp) for key, value in events]


@pytest.fixture
async def topic(kafka: KafkaBroker) -> str:
    name = f"scores-{uuid.uuid4().hex[:12]}"
    await kafka.create(name, 2)
    return name


def edge(kafka: KafkaBroker, topic: str, **settings: Any) -> Any:
    return running_node(
        url=f"kafka://{kafka.address}",
        feeds={"score": FeedSettings(topic=topic)},
        verdicts=VerdictsSettings(topic=f"verdicts-{topic}"),
        **settings,
    )


async def join(node: RunningNode) -> Subscribed:
    async with node.client() as client:
        return await client.join("score:1")


def state_of(joined: Subscribed) -> dict[str | None, Any]:
    return {event.key: event.data for event in joined.state}


async def test_two_edges_agree_on_state_from_hours_before_their_windows(kafka: KafkaBroker, topic: str) -> None:
    harness = KafkaHarness(kafka)
    await harness.produce(topic, aged(5 * HOUR_MS, ("teams", b'"A-B"'), ("goals", b"0"), ("card", b"1")))
    await harness.produce(topic, aged(4 * HOUR_MS, ("goals", b"1"), ("card", b"null")))
    async with edge(kafka, topic) as early:
        await early.publish("score:1", 2, key="goals")
        async with edge(kafka, topic) as late, early.client() as first, late.client() as second:
            clients = [TracedClient(first, Trace("early", "score:1")), TracedClient(second, Trace("late", "score:1"))]
            for client in clients:
                assert (await client.join()).state_complete
                assert client.state == {"teams": "A-B", "goals": 2}
            url = f"http://127.0.0.1:{late.node.control_port}/v1/rooms"
            async with httpx.AsyncClient() as http:
                shown = (await http.get(f"{url}/score:1")).json()
                assert {event["key"] for event in shown["state"]} == {"teams", "goals"}
                assert shown["state_complete"] is True
                assert (await http.get(f"{url}/score:nobody")).status_code == 404
            await late.publish("score:1", 3, key="goals")
            for client in clients:
                await client.until_events(1)
                client.settle()
    log = await read_log(kafka.address, {"score": topic})
    assert check_room(log.room("score:1"), [client.trace for client in clients]) == []


async def test_a_state_that_was_read_up_to_a_limit_is_marked(kafka: KafkaBroker, topic: str) -> None:
    harness = KafkaHarness(kafka)
    await harness.produce(topic, aged(5 * HOUR_MS, ("teams", b'"A-B"'), *[("goals", b"1")] * 2_500))
    async with edge(kafka, topic, state_records_max=100) as node:
        joined = await join(node)
        assert state_of(joined) == {"goals": 1}
        assert not joined.state_complete
        url = f"http://127.0.0.1:{node.node.control_port}/v1/rooms/score:1"
        async with httpx.AsyncClient() as http:
            assert (await http.get(url)).json()["state_complete"] is False
    async with edge(kafka, topic) as node:
        joined = await join(node)
        assert state_of(joined) == {"teams": "A-B", "goals": 1}
        assert joined.state_complete
    async with edge(kafka, topic, state_start_s_max=0.0) as node:
        joined = await join(node)
        assert joined.state == []
        assert not joined.state_complete
        async with touchline.connect(node.url, proxy=False) as sdk:
            subscription = await sdk.subscribe("score:1").joined()
            assert not subscription.state_complete
