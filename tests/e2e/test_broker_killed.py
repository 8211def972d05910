"""One of three brokers is killed, and nobody loses anything: an edge, its clients, and a producer of events."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

import touchline
from edge.players import AUTH, token
from support.kafka_broker import KafkaCluster
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_loadtest.measure.action_reader import read_actions
from touchline_server.config.tables import ActionsSettings, FeedSettings

EVENTS, ACTIONS, VERDICTS = "match-events", "player-actions", "cheat-verdicts"
ROOM, KEY = "score:1", b"1"
SOME = 50
"""Events, and actions, before the broker is killed, and after."""

DEADLINE_S = 90.0
"""For a leader that is elected, and clients that learn of it: some 10 s on a quiet machine."""


class Clients:
    """Somebody who publishes, somebody who watches, and somebody who acts: numbers from 0 on, one after the other."""

    def __init__(self) -> None:
        self.published: list[int] = []
        self.seen: list[int] = []
        self.acked: list[int] = []
        self.over = False

    async def publish(self, producer: AIOKafkaProducer) -> None:
        while not self.over:
            number = len(self.published)
            await producer.send_and_wait(EVENTS, b"%d" % number, KEY)
            self.published.append(number)

    async def act(self, client: touchline.Client) -> None:
        while not self.over:
            number = len(self.acked)
            await client.act(ROOM, "tap", number)
            self.acked.append(number)

    async def watch(self, subscription: touchline.Subscription) -> None:
        async for event in subscription:
            self.seen.append(event.data)

    async def go_on(self) -> None:
        """Wait until more was seen and acknowledged."""
        seen, acked = len(self.seen) + SOME, len(self.acked) + SOME
        await eventually(lambda: len(self.seen) >= seen and len(self.acked) >= acked, DEADLINE_S)


@contextlib.asynccontextmanager
async def node_of(cluster: KafkaCluster) -> AsyncIterator[RunningNode]:
    actions = ActionsSettings(topic=ACTIONS, per_second_max=10_000, burst=1_000)
    feeds = {"score": FeedSettings(topic=EVENTS)}
    async with running_node(url=f"kafka://{cluster.address}", feeds=feeds, auth=AUTH, actions=actions) as node:
        yield node


@pytest.mark.timeout(300)
async def test_one_of_three_brokers_killed_loses_nothing(kafka_cluster: KafkaCluster) -> None:
    leader = kafka_cluster.brokers[0]
    for topic in (EVENTS, ACTIONS, VERDICTS):
        await kafka_cluster.create_led_by(leader, topic)
    clients = Clients()
    async with (
        node_of(kafka_cluster) as node,
        touchline.connect(url := f"ws://{node.host}:{node.port}/ws", proxy=False) as watcher,
        touchline.connect(url, proxy=False, token=token("ada")) as player,
        AIOKafkaProducer(bootstrap_servers=kafka_cluster.address, enable_idempotence=True) as producer,
        asyncio.TaskGroup() as group,
    ):
        subscription = watcher.subscribe(ROOM)
        await subscription.joined()
        watching = group.create_task(clients.watch(subscription))
        ending = [group.create_task(clients.publish(producer)), group.create_task(clients.act(player))]
        await clients.go_on()

        await asyncio.to_thread(leader.stop, kill=True)
        async with asyncio.timeout(DEADLINE_S):
            while await kafka_cluster.leading(EVENTS) is leader:  # noqa: ASYNC110 - it is asked over Kafka's protocol
                await asyncio.sleep(0.1)
        await clients.go_on()
        await eventually(lambda: not node.node.problems(), DEADLINE_S)

        clients.over = True
        await asyncio.wait(ending)
        await eventually(lambda: len(clients.seen) >= len(clients.published))
        watching.cancel()
        assert (subscription.gaps, subscription.restarts) == (0, 0)
    assert clients.seen == clients.published == list(range(len(clients.seen)))
    logged = [msgspec.json.decode(action.data) for action in await read_actions(kafka_cluster.address, ACTIONS)]
    assert list(dict.fromkeys(logged)) == clients.acked == list(range(len(clients.acked)))
