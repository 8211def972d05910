"""A broker that is cut off from its peers, while edges still reach it: it goes on answering as if it led.

Partitions that only it has are without a leader, as far as the others know.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import httpx
import pytest

from edge.players import AUTH, act, loose_limits, player
from support.group_readers import values_reader
from support.kafka_log_harness import CHECK_S
from support.kafka_split import SplitCluster
from support.log_harness import Reader
from support.node_fixture import Client, RunningNode, running_node
from support.waiting import DEADLINE_S, POLL_S, eventually
from touchline_kafka.cluster import Cluster
from touchline_kafka.follow.follower import FollowedRecord, Follower
from touchline_kafka.group.reader import GroupReader
from touchline_kafka.partitioner import partition_of
from touchline_protocol import codes
from touchline_protocol.errors import LogUnavailable
from touchline_protocol.messages import Ack, Error, Nack, RoomRequest, Subscribe, Subscribed, Verdict
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, encode_verdict
from touchline_server.config.settings import Settings
from touchline_server.config.tables import FeedSettings, KafkaSettings, VerdictsSettings
from touchline_server.core.log import Entry, Log, TopicOpened
from touchline_server.doctor.probes.kafka import look_at_kafka
from touchline_server.log.kafka import watcher
from touchline_server.log.kafka.log import KafkaLog

READERS = 6
"""So many that one of them would rely on the broker that is cut off, if each relied on one."""


@pytest.fixture
async def open_log(split_cluster: SplitCluster) -> AsyncIterator[Callable[..., Awaitable[KafkaLog]]]:
    """Opens logs that are closed after the test."""
    logs: list[KafkaLog] = []

    async def opened(*topics: str) -> KafkaLog:
        log = KafkaLog(split_cluster.address.split(","), KafkaSettings(epoch_check_s=CHECK_S))
        logs.append(log)
        await log.open(topics, since_ms=0)
        return log

    yield opened
    for log in logs:
        await log.close()


async def test_readers_and_producers_leave_a_broker_that_is_cut_off_from_its_peers(
    open_log: Callable[..., Awaitable[KafkaLog]], split_cluster: SplitCluster
) -> None:
    topic = f"topic-{uuid.uuid4()}"
    first = split_cluster.brokers[0]
    await split_cluster.create_led_by(first, topic)
    logs = [await open_log(topic) for _ in range(READERS)]
    readers = [Reader(log) for log in logs]
    await logs[0].append(topic, [Entry(b"room", b"before")])
    await asyncio.gather(*(reader.until_values(topic, [b"before"]) for reader in readers))
    split_cluster.cut_off(first)
    try:
        await asyncio.gather(*(_append(log, topic) for log in logs))
        await asyncio.gather(*(reader.until(partial(_has, reader, topic)) for reader in readers))
        assert [log.problems for log in logs] == [{}] * READERS
    finally:
        split_cluster.join(first)


async def test_consumers_leave_a_broker_that_is_cut_off_from_its_peers(
    open_log: Callable[..., Awaitable[KafkaLog]], split_cluster: SplitCluster
) -> None:
    topic = f"topic-{uuid.uuid4()}"
    first = split_cluster.brokers[0]
    await split_cluster.create_led_by(first, topic)
    log = await open_log()
    await log.append(topic, [Entry(b"room", b"before")])
    async with contextlib.AsyncExitStack() as stack:
        cluster = Cluster(split_cluster.address.split(","))
        groups = [await stack.enter_async_context(values_reader(cluster, topic)) for _ in range(3)]
        followers = [await stack.enter_async_context(Follower(cluster, [topic], since_ms=None)) for _ in range(3)]
        readers: list[GroupReader[bytes | None] | Follower] = [*groups, *followers]
        await asyncio.gather(*(_until_read(each, b"before") for each in readers))
        split_cluster.cut_off(first)
        try:
            await _append(log, topic)
            await asyncio.gather(*(_until_read(each, b"after") for each in readers))
        finally:
            split_cluster.join(first)


async def _until_read(reader: GroupReader[bytes | None] | Follower, value: bytes) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if isinstance(reader, GroupReader):
                values = await reader.batch(1)
            else:
                values = [one.record.value for one in await reader.poll() if isinstance(one, FollowedRecord)]
            if value in values:
                return


async def _append(log: Log, topic: str) -> None:
    """Append a record, however many tries it takes: a failed one may be written as well."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await log.append(topic, [Entry(b"room", b"after")])
            except LogUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


def _has(reader: Reader, topic: str) -> bool:
    return sum(record.value == b"after" for record in reader.all(topic)) >= READERS


class Feeds:
    """Topics of which the second broker has a partition, or all of them, and an edge that reads them."""

    def __init__(self, cluster: SplitCluster) -> None:
        self.cluster = cluster
        name = uuid.uuid4().hex[:8]
        self.score, self.match = f"score-{name}", f"match-{name}"
        self.actions, self.verdicts = f"actions-{name}", f"verdicts-{name}"

    async def create(self) -> None:
        first, second, _ = self.cluster.brokers
        await self.cluster.create_on(self.score, [first, second], {})
        await self.cluster.create_on(self.match, [first], {})
        await self.cluster.create_on(self.actions, [first], {})
        await self.cluster.create_on(self.verdicts, [second], {"cleanup.policy": "compact"})

    @contextlib.asynccontextmanager
    async def node(self) -> AsyncIterator[RunningNode]:
        async with running_node(
            url=f"kafka://{self.cluster.address}",
            auth=AUTH,
            feeds={"score": FeedSettings(topic=self.score), "match": FeedSettings(topic=self.match)},
            actions=loose_limits(topic=self.actions),
            verdicts=VerdictsSettings(topic=self.verdicts),
            kafka=KafkaSettings(epoch_check_s=CHECK_S),
        ) as node:
            yield node

    async def until_leaderless(self, log: KafkaLog) -> None:
        """Wait until the second broker's partitions have no leader."""
        await eventually(lambda: self.score in log.problems and self.verdicts in log.problems)


IN_FIRST, IN_SECOND = "2", "1"
"""Rooms of the two partitions, where Java's default partitioner puts them."""
STATE = {"old": 0, "goals": 7}
HOURS_AGO_MS = (time.time_ns() // 1_000_000) - 20_000_000


async def test_an_edge_serves_what_can_be_read_and_says_what_cannot(
    open_log: Callable[..., Awaitable[KafkaLog]], split_cluster: SplitCluster
) -> None:
    assert [partition_of(room.encode(), 2) for room in (IN_FIRST, IN_SECOND)] == [0, 1]
    feeds, second = Feeds(split_cluster), split_cluster.brokers[1]
    await feeds.create()
    log = await open_log(feeds.score, feeds.verdicts)
    for room in (IN_FIRST, IN_SECOND):
        await log.append(feeds.score, [Entry(room.encode(), b"0", [("key", b"old")], HOURS_AGO_MS)])
        await log.append(feeds.score, [Entry(room.encode(), b"7", [("key", b"goals")])])
    ban = encode_verdict(VerdictRecord(kind="ban", reason="too quick"))
    await log.append(feeds.verdicts, [Entry(b"ada", ban, VERDICT_HEADERS)])
    split_cluster.cut_off(second)
    try:
        await feeds.until_leaderless(log)
        async with feeds.node() as node, player(node, "ada") as (banned, _), player(node, "bob") as (client, _):
            assert await state(client, f"score:{IN_FIRST}") == STATE
            assert await state(client, "match:1") == {}
            assert await state(client, f"score:{IN_SECOND}") == codes.UNAVAILABLE.code
            for one in (banned, client):
                await act(one, 1, room="match:1")
                assert (await one.expect(Nack)).code == codes.LOG_UNAVAILABLE.code
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.node.control_port}") as http:
                ready = await http.get("/readyz")
                assert ready.status_code == 200
                assert ready.json()["degraded"].keys() == {feeds.score, feeds.verdicts}
                hidden = await http.get(f"/v1/rooms/score:{IN_SECOND}")
                assert hidden.status_code == 503
            split_cluster.join(second)
            assert (await banned.expect(Verdict)).kind == "ban"
            assert await banned.closed() == (4503, "banned")
            async with asyncio.timeout(DEADLINE_S):
                while (found := await state(client, f"score:{IN_SECOND}")) == codes.UNAVAILABLE.code:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert found == STATE
            windows = node.node.core.hub.feeds["score"].windows
            assert {index: window.floor for index, window in windows.items()} == {0: 0, 1: 0}  # without what is old
            await eventually(lambda: not node.node.problems())
            await act(client, 1, room="match:1")
            assert (await client.expect(Ack)).id == 1
    finally:
        split_cluster.join(second)


async def test_a_leader_that_the_edge_cannot_reach_keeps_it_from_serving_nothing_else(
    open_log: Callable[..., Awaitable[KafkaLog]], split_cluster: SplitCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "OPEN_WAIT_S", 0.5)
    monkeypatch.setattr(watcher, "OFFLINE_WAIT_S", 0.1)
    first, _, third = split_cluster.brokers
    away, here = f"away-{uuid.uuid4()}", f"here-{uuid.uuid4()}"
    await split_cluster.create_on(away, [third], {})
    await split_cluster.create_on(here, [first], {})
    await (await open_log()).append(away, [Entry(b"room", b"1")])
    with split_cluster.hidden():
        log = await open_log(away, here)
        reader = Reader(log)
        await reader.until_caught_up(away, here)
        (opened,) = reader.events_of(TopicOpened, away)
        assert isinstance(opened, TopicOpened)
        assert opened.offline == {0}
        assert f"{away}/0" in log.problems
    await reader.until_values(away, [b"1"])
    await reader.until(lambda: not log.problems)


async def state(client: Client, room: str) -> object:
    """Subscribe to a room: its state, or the code of the error."""
    await client.send(Subscribe(rooms=[RoomRequest(room=room)]))
    while True:
        match await client.next():
            case Subscribed(state=events):
                return {event.key: event.data for event in events}
            case Error(code=code):
                return code


async def test_new_topics_get_as_many_copies_as_the_cluster_wants(
    open_log: Callable[..., Awaitable[KafkaLog]], split_cluster: SplitCluster
) -> None:
    """One copy on three brokers would be lost with one of them. `touchline topics` creates topics without a number."""
    ours, one_copy = f"topic-{uuid.uuid4()}", f"topic-{uuid.uuid4()}"
    log = await open_log()
    await log.create_topics([ours], partitions=2, replication=None)
    await log.create_topics([one_copy], partitions=2, replication=1)
    settings = Settings(log=f"kafka://{split_cluster.address}")
    async with asyncio.timeout(DEADLINE_S):
        # A broker may describe a topic a moment later than another one does.
        while True:
            found = (await look_at_kafka(settings, [ours, one_copy, "of-nobody"])).topics
            if not found[ours].is_missing and not found[one_copy].is_missing:
                break
            await asyncio.sleep(POLL_S)
    assert [found[name].replicas for name in (ours, one_copy)] == [3, 1]
    assert found["of-nobody"].is_missing
