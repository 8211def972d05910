"""A single broker is restored from an older copy of its folder, under a running edge: its leader epochs go back."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support.group_readers import values_reader
from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import CHECK_S, KafkaHarness
from support.kafka_truth import add_log, read_log
from support.log_cut import started
from support.log_harness import Raw
from support.node_fixture import running_node
from support.traced_client import TracedClient
from support.waiting import DEADLINE_S
from touchline_kafka.cluster import Cluster
from touchline_kafka.follow.follower import FollowedRecord, Follower
from touchline_kafka.group.reader import GroupReader
from touchline_kafka.metadata import set_back
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.trace import Trace
from touchline_server.config.tables import FeedSettings, KafkaSettings

TOPIC, ROOM = "score", "score:1"


def goals(number: int, key: bytes = b"goals") -> Raw:
    return Raw(b"1", b"%d" % number, [("key", key)])


async def test_readers_and_producers_follow_a_broker_that_was_restored_from_an_older_copy(
    kafka_factory: Callable[[], KafkaBroker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_back, "SET_BACK_S", 1.0)
    broker = kafka_factory()
    harness = KafkaHarness(broker)
    await broker.create(TOPIC)
    await harness.append(TOPIC, [goals(1), goals(2)])
    await asyncio.to_thread(broker.stop)
    copy = tmp_path / "copy"
    shutil.copytree(broker.folder, copy)
    await started(broker)  # each start has a leader epoch of its own
    await asyncio.to_thread(broker.stop)
    await started(broker)
    await harness.append(TOPIC, [goals(3), goals(4, b"lost")])
    feeds = {"score": FeedSettings(topic=TOPIC)}
    url = f"kafka://{broker.address}"
    async with (
        running_node(url=url, feeds=feeds, kafka=KafkaSettings(epoch_check_s=CHECK_S)) as node,
        node.client() as client,
        consumers(broker) as (group, follower),
    ):
        live = TracedClient(client, Trace("live", ROOM), restarts=True)
        await live.join()
        assert live.state == {"goals": 3, "lost": 4}
        before = live.cursor
        assert before is not None
        await node.publish(ROOM, 5, key="lost")  # the edge's producer has written to the log that is lost
        await live.until_events(1)
        assert live.events[0].offset == 4
        log = await read_log(broker.address, {"score": TOPIC})
        await until_read(group, follower, b"5")
        await asyncio.to_thread(broker.stop)
        shutil.rmtree(broker.folder)
        shutil.copytree(copy, broker.folder)
        await started(broker)
        await harness.append(TOPIC, [goals(number) for number in range(6, 10)])  # past what was read
        await live.until_state({"goals": 9})
        await node.publish(ROOM, 10, key="goals")
        await live.until_state({"goals": 10})
        await until_read(group, follower, b"10")
        async with node.client() as late:
            back = TracedClient(late, Trace("back", ROOM), after=(before[0], 3), restarts=True)
            assert not (await back.join()).recovered
            assert back.state == {"goals": 10}
        assert not node.node.problems()
        for traced in (live, back):
            traced.settle()
        await add_log(log, broker.address, {"score": TOPIC})
        assert check_room(log.room(ROOM), [live.trace, back.trace]) == []
        assert log.room(ROOM).sent, "the log was not set back"


@contextlib.asynccontextmanager
async def consumers(broker: KafkaBroker) -> AsyncIterator[tuple[GroupReader[bytes | None], Follower]]:
    cluster = Cluster([broker.address])
    async with values_reader(cluster, TOPIC) as group, Follower(cluster, [TOPIC], since_ms=None) as follower:
        yield group, follower


async def until_read(group: GroupReader[bytes | None], follower: Follower, value: bytes) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while value not in await group.batch(1):
            pass
        while value not in [one.record.value for one in await follower.poll() if isinstance(one, FollowedRecord)]:
            pass
