"""One of three brokers is killed, and nobody loses anything: an edge, its clients, and a producer of events."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

import touchline
from auth.signed import SECRET
from edge.players import AUTH
from support.kafka_broker import KafkaCluster
from support.kafka_truth import read_log
from support.node_fixture import RunningNode, running_node
from support.sdk_player import SdkPlayer, logged_actions
from support.sdk_trace import SdkTrace
from support.waiting import eventually
from touchline_loadtest.checks.comparison.action_check import check_actions
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.trace import Trace
from touchline_loadtest.measure.actions.reader import read_actions
from touchline_server.config.tables import ActionsSettings, FeedSettings

EVENTS, ACTIONS, VERDICTS = "match-events", "player-actions", "cheat-verdicts"
ROOM, KEY = "score:1", b"1"
SOME = 50
"""Events, and actions, before the broker is killed, and after."""

DEADLINE_S = 90.0
"""For a leader that is elected, and clients that learn of it: some 10 s on a quiet machine."""


class Clients:
    """A publisher, a watcher, and a player who numbers its actions from 0 on and waits for each answer."""

    def __init__(self, watcher: touchline.Client, player: SdkPlayer) -> None:
        self.published = 0
        self.acked = 0
        self.seen = 0
        self.over = False
        self.player = player
        self.watching = SdkTrace(watcher, Trace("a watcher", ROOM))

    async def publish(self, producer: AIOKafkaProducer) -> None:
        while not self.over:
            await producer.send_and_wait(EVENTS, b"%d" % self.published, KEY)
            self.published += 1

    async def act(self, client: touchline.Client) -> None:
        while not self.over:
            error = await self.player.act(client, self.acked)
            if error is not None:
                raise error
            self.acked += 1

    async def watch(self) -> None:
        async for _ in self.watching.events():
            self.seen += 1

    async def go_on(self) -> None:
        """Wait until more was seen and acknowledged."""
        seen, acked = self.seen + SOME, self.acked + SOME
        await eventually(lambda: self.seen >= seen and self.acked >= acked, DEADLINE_S)


@contextlib.asynccontextmanager
async def node_of(cluster: KafkaCluster) -> AsyncIterator[RunningNode]:
    actions = ActionsSettings(topic=ACTIONS, per_second_max=10_000, burst=1_000)
    feeds = {"score": FeedSettings(topic=EVENTS)}
    async with running_node(url=f"kafka://{cluster.address}", feeds=feeds, auth=AUTH, actions=actions) as node:
        yield node


@pytest.mark.long  # the short cluster run kills a leader too, with such clients and players
@pytest.mark.timeout(300)
async def test_one_of_three_brokers_killed_loses_nothing(kafka_cluster: KafkaCluster) -> None:
    leader = kafka_cluster.brokers[0]
    for topic in (EVENTS, ACTIONS, VERDICTS):
        await kafka_cluster.create_led_by(leader, topic)
    player = SdkPlayer("ada", ROOM, SECRET)
    async with (
        node_of(kafka_cluster) as node,
        touchline.connect(url := f"ws://{node.host}:{node.port}/ws", proxy=False) as watcher,
        player.client(url, actions_buffer_max=1) as acting,
        AIOKafkaProducer(bootstrap_servers=kafka_cluster.address, enable_idempotence=True) as producer,
        asyncio.TaskGroup() as group,
    ):
        clients = Clients(watcher, player)
        await clients.watching.joined()
        reading = group.create_task(clients.watch())
        ending = [group.create_task(clients.publish(producer)), group.create_task(clients.act(acting))]
        await clients.go_on()

        await asyncio.to_thread(leader.stop, kill=True)
        async with asyncio.timeout(DEADLINE_S):
            while await kafka_cluster.leading(EVENTS) is leader:  # noqa: ASYNC110 - it is asked over Kafka's protocol
                await asyncio.sleep(0.1)
        await clients.go_on()
        await eventually(lambda: not node.node.problems(), DEADLINE_S)

        clients.over = True
        await asyncio.wait(ending)
        await eventually(lambda: clients.seen >= clients.published)
        reading.cancel()
        clients.watching.settle()
        assert (clients.watching.room.gaps, clients.watching.room.restarts) == (0, 0)
    log = await read_log(kafka_cluster.address, {"score": EVENTS})
    (events,) = log.room(ROOM).parts.values()
    assert len(events) == clients.published, "the log has each event once"
    assert check_room(log.room(ROOM), [clients.watching.trace]) == []
    logged = logged_actions(await read_actions(kafka_cluster.address, ACTIONS))
    assert check_actions(player.acted, logged) == []
    assert len({each.action for each in logged}) == clients.acked
