"""Leaders change under running edges: a clean election loses nothing, and an unclean one is not kept from clients."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from support.kafka_broker import KafkaBroker, KafkaCluster
from support.kafka_log_harness import CHECK_S, KafkaHarness
from support.kafka_truth import add_log
from support.log_cut import started
from support.log_harness import Raw
from support.node_fixture import RunningNode, running_node
from support.traced_client import TracedClient
from support.waiting import DEADLINE_S
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.checks.trace import Trace
from touchline_server.config.tables import FeedSettings, KafkaSettings

TOPIC, ROOM = "score", "score:1"
CONFIGS = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}
HOURS_AGO_MS = time.time_ns() // 1_000_000 - 20_000_000
OLD = Raw(b"1", b"-1", [("key", b"old")], HOURS_AGO_MS)
"""An event that no window holds: edges read it back."""

EXPECTED = {"old": -1, "goals": 19, "cards": 3}


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
    log, traces = RunLog(), []
    async with edge(kafka_cluster) as node, node.client() as client:
        live = TracedClient(client, Trace("live", ROOM), restarts=True)
        traces.append(live.trace)
        await live.join()
        assert live.state == {"old": -1, "goals": 1, "cards": 3}
        kept = live.cursor

        await asyncio.to_thread(first.stop)
        await until_led_by(kafka_cluster, second)
        await harness.append(TOPIC, [*events("goals", 4), *events("lost", 5, 6, 7)])
        await live.until_events(4)
        assert [event.data for event in live.events] == [4, 5, 6, 7]
        lost = (live.events[0].epoch or "", live.events[1].offset)
        assert kept is not None
        assert lost[0] not in ("", kept[0])
        async with edge(kafka_cluster) as fresh:
            for name, one in (("old", node), ("fresh", fresh)):
                traces += [await resumed(one, f"at the {name} edge, after {after}", after) for after in (kept, lost)]
        await add_log(log, kafka_cluster.address, {"score": TOPIC})

        await asyncio.to_thread(second.stop, kill=True)
        await started(first)
        await until_led_by(kafka_cluster, first)
        await harness.append(TOPIC, events("goals", *range(10, 20)))  # past all that was read
        await starts_over(live)
        async with edge(kafka_cluster) as fresh:
            for name, one in (("old", node), ("fresh", fresh)):
                traces.append(await resumed(one, f"at the {name} edge, after the cut", kept))
                async with one.client() as late:
                    back = TracedClient(late, Trace(f"back at the {name} edge", ROOM), after=lost, restarts=True)
                    again = await back.join()
                    assert (again.recovered, again.state_complete, back.state) == (False, True, EXPECTED)
                    back.settle()
                    traces.append(back.trace)
    live.settle()
    await add_log(log, kafka_cluster.address, {"score": TOPIC})
    assert check_room(log.room(ROOM), traces) == []
    assert log.room(ROOM).sent, "the log was not cut back"


async def until_led_by(cluster: KafkaCluster, broker: KafkaBroker) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await cluster.leading(TOPIC) is not broker:  # noqa: ASYNC110 - it is asked over Kafka's protocol
            await asyncio.sleep(0.05)


async def resumed(node: RunningNode, name: str, cursor: tuple[str, int]) -> Trace:
    """What a client gets that resumes where nothing is lost."""
    async with node.client() as client:
        back = TracedClient(client, Trace(name, ROOM), after=cursor)
        joined = await back.join()
        assert joined.recovered
        await back.until_events(joined.head - cursor[1])
        return back.trace


async def starts_over(live: TracedClient) -> None:
    """A client that has to start over gets to know what is in the log, and nothing of what is lost."""
    starts = live.starts
    while live.state != EXPECTED:
        await live.next()
        assert live.starts == starts or "lost" not in live.state
