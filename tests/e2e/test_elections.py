"""Leaders change under running edges: a clean election loses nothing, and an unclean one is not kept from clients."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from support.kafka_broker import KafkaBroker, KafkaCluster
from support.kafka_log_harness import CHECK_S, KafkaHarness
from support.log_cut import started
from support.log_harness import Raw
from support.node_fixture import Client, RunningNode, running_node
from support.start_over import known_after_start_over, state
from support.waiting import DEADLINE_S
from touchline_protocol.messages import Event
from touchline_server.config.tables import FeedSettings, KafkaSettings

TOPIC, ROOM = "score", "score:1"
CONFIGS = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}
HOURS_AGO_MS = time.time_ns() // 1_000_000 - 20_000_000
OLD = Raw(b"1", b"-1", [("key", b"old")], HOURS_AGO_MS)
"""An event that no window holds: edges read it back."""

Cursor = tuple[str, int]


def events(key: str, *numbers: int) -> list[Raw]:
    return [Raw(b"1", b"%d" % number, [("key", key.encode())]) for number in numbers]


@contextlib.asynccontextmanager
async def edge(cluster: KafkaCluster) -> AsyncIterator[RunningNode]:
    async with running_node(
        url=f"kafka://{cluster.address}",
        feeds={"score": FeedSettings(topic=TOPIC)},
        kafka=KafkaSettings(epoch_check_s=CHECK_S),
    ) as node:
        yield node


async def test_a_clean_election_loses_nothing_and_an_unclean_one_makes_clients_start_over(
    kafka_cluster: KafkaCluster,
) -> None:
    """The first broker stops, and the second one leads cleanly; that is killed, and the first comes back without what
    the second one had alone."""
    first, second, third = kafka_cluster.brokers
    harness = KafkaHarness(third)
    await kafka_cluster.create_led_by(first, TOPIC, replicas=2, configs=CONFIGS)
    await harness.append(TOPIC, [OLD, *events("goals", 0, 1), *events("cards", 2, 3)])
    async with edge(kafka_cluster) as node, node.client() as live:
        before = await live.join(ROOM)
        assert state(before) == {"old": -1, "goals": 1, "cards": 3}
        kept = (before.epoch, before.head)

        await asyncio.to_thread(first.stop)
        await until_led_by(kafka_cluster, second)
        await harness.append(TOPIC, [*events("goals", 4), *events("lost", 5, 6, 7)])
        got = [await live.expect(Event) for _ in range(4)]
        assert [event.data for event in got] == [4, 5, 6, 7]
        lost = (got[0].epoch or "", got[1].offset)
        assert lost[0] not in ("", kept[0])
        async with edge(kafka_cluster) as fresh:
            for one in (node, fresh):
                assert await resumed(one, kept) == [4, 5, 6, 7]
                assert await resumed(one, lost) == [6, 7]

        await asyncio.to_thread(second.stop, kill=True)
        await started(first)
        await until_led_by(kafka_cluster, first)
        await harness.append(TOPIC, events("goals", *range(10, 20)))  # past all that was read
        expected: dict[str | None, object] = {"old": -1, "goals": 19, "cards": 3}
        assert await starts_over(live, expected)
        async with edge(kafka_cluster) as fresh:
            for one in (node, fresh):
                assert await resumed(one, kept) == list(range(10, 20))
                async with one.client() as back:
                    again = await back.join(ROOM, epoch=lost[0], after=lost[1])
                    assert (again.recovered, again.state_complete, state(again)) == (False, True, expected)


async def until_led_by(cluster: KafkaCluster, broker: KafkaBroker) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await cluster.leading(TOPIC) is not broker:  # noqa: ASYNC110 - it is asked over Kafka's protocol
            await asyncio.sleep(0.05)


async def resumed(node: RunningNode, cursor: Cursor) -> list[object]:
    """What a client gets that resumes where nothing is lost."""
    async with node.client() as client:
        joined = await client.join(ROOM, epoch=cursor[0], after=cursor[1])
        assert joined.recovered
        return [event.data for event in await client.events(joined.head - cursor[1])]


async def starts_over(client: Client, expected: dict[str | None, object]) -> bool:
    """Whether a client that has to start over gets to know this, and nothing of what is lost."""
    async for known in known_after_start_over(client):
        assert "lost" not in known
        if known == expected:
            break
    return True
