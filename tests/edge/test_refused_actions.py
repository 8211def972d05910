"""Actions that Kafka refuses, or cannot store for now though it answers: nobody else has to wait for them."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from edge.players import AUTH, acks, act, answer, answers, loose_limits, player
from support.kafka_broker import KafkaBroker, KafkaCluster
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_server.config.tables import FeedSettings, KafkaSettings, VerdictsSettings

pytestmark = pytest.mark.outside

BYTES_MAX = "2000"
LARGE = "x" * 3_000
OUTAGE_S = 4.0
"""Long enough for several probes."""


@contextlib.asynccontextmanager
async def acting_node(kafka: KafkaBroker | KafkaCluster, **configs: str) -> AsyncIterator[RunningNode]:
    """A node whose topic of actions has these settings."""
    name = uuid.uuid4().hex[:12]
    score, actions, verdicts = (f"{kind}-{name}" for kind in ("score", "actions", "verdicts"))
    await kafka.create(score)
    await kafka.create(actions, 1, {key.replace("_", "."): value for key, value in configs.items()})
    await kafka.create(verdicts, 1, {"cleanup.policy": "compact"})
    settings: dict[str, Any] = {
        "auth": AUTH,
        "feeds": {"score": FeedSettings(topic=score)},
        "actions": loose_limits(topic=actions),
        "verdicts": VerdictsSettings(topic=verdicts),
        "kafka": KafkaSettings(epoch_check_s=0.1),
    }
    async with running_node(url=f"kafka://{kafka.address}", **settings) as node:
        yield node


async def test_an_action_that_is_too_large_for_its_topic_stops_nobody_else(kafka: KafkaBroker) -> None:
    async with (
        acting_node(kafka, max_message_bytes=BYTES_MAX) as node,
        player(node, "ada") as (ada, _),
        player(node, "bob") as (bob, _),
    ):
        for number in range(1, 11):
            await act(ada, 2 * number - 1, data={"text": LARGE})
            await act(ada, 2 * number)
            await act(bob, number)
        assert await answers(bob, 10) == acks(range(1, 11))
        found = await answers(ada, 20)
        assert sorted(found) == [(number, "action_refused" if number % 2 else "ack") for number in range(1, 21)]
        await act(ada, 1, 21)
        assert await answers(ada, 2) == [(1, "action_refused"), (21, "ack")]
        assert not node.node.problems()


@pytest.mark.long
async def test_with_too_few_replicas_one_action_at_a_time_finds_out_whether_there_are_enough(
    kafka_cluster: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "touchline.actions")
    async with (
        acting_node(kafka_cluster, min_insync_replicas="3") as node,
        player(node, "ada") as (ada, _),
        player(node, "bob") as (bob, _),
    ):
        await act(ada, 1)
        assert await answer(ada) == (1, "ack")
        await asyncio.to_thread(kafka_cluster.brokers[2].stop)
        await act(ada, 2)
        assert await answer(ada) == (2, "log_unavailable")
        until = time.monotonic() + OUTAGE_S
        waits: list[float] = []
        while time.monotonic() < until:
            began = time.monotonic()
            await act(bob, 1)
            assert await answer(bob) == (1, "log_unavailable")
            assert node.node.core.actions.unavailable is not None
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
        assert sorted(waits)[len(waits) // 2] < 0.5
        await asyncio.to_thread(kafka_cluster.brokers[2].start)

        async def taken() -> bool:
            await act(bob, 1)
            return await answer(bob) == (1, "ack")

        async with asyncio.timeout(60):
            while not await taken():  # noqa: ASYNC110 - each try is an action
                await asyncio.sleep(0.05)
        await eventually(lambda: node.node.core.actions.unavailable is None)
        await act(ada, 2, 3)
        assert await answers(ada, 2) == acks([2, 3])
    assert len([record for record in caplog.records if record.name == "touchline.actions"]) == 2
