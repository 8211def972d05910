"""Players who act while edges and the broker are restarted at random, and a detector that reads what they do.

Everything is what a user runs: ``touchline serve`` in processes of its own, the Python SDK, `touchline.actions`, the
real broker. A player comes back, by itself, to either edge. Half of the players take json, half msgpack.
"""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

import touchline
from support.kafka_broker import KafkaBroker
from support.processes import EdgeProcess
from support.sdk_player import SdkActionReader, SdkPlayer
from touchline_loadtest.rig.relay import Relay
from touchline_protocol.actions import ActionRecord, action_headers, encode_action

ROOM = "match:15946"
SECRET = "a secret of the tests, with more than thirty-two bytes"
TOPIC = "player-actions"
PARTITIONS = 4

ACTIONS_PER_SECOND = 10
BUFFER_ACTIONS = 3_000
"""Five minutes of a player's: no action is sent again after more."""

EDGE_REST_S = (0.5, 4.0)
BROKER_REST_S = (6.0, 16.0)
AWAY_S = (0.0, 1.5)
"""How long an edge or the broker is left alone, and how long it is away beside what its start takes. The broker's rest
has to be long enough for what has waited meanwhile: an edge takes 30 actions a second of a player, who does 10."""

SILENCE_S = 0.3
"""How long a player's answers get lost before its connection is cut: so it sends actions again that are in the log."""
SILENCE_REST_S = (0.0, 0.5)

ENDS = {signal.SIGTERM: 0, signal.SIGKILL: -signal.SIGKILL}
"""How an edge is stopped, and its exit code then. Any other code means that the edge had ended by itself."""

END = "the-end"
"""The player that acts last in each partition, so that a reader knows that it has read everything before."""


class Scenario(NamedTuple):
    """How many players there are, and for how many seconds each acts: longer where the machine does not keep up."""

    players: int
    seconds: float
    seed: int = 20180818


class Player(SdkPlayer):
    """One of them. ``sent`` counts its actions, and ``unexpected`` has what was not acknowledged.

    ``longest_s`` is the longest time that an acknowledgement took.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"player-{number}", ROOM, SECRET, "json" if number % 2 else "msgpack")
        self.sent = 0
        self.unexpected: list[str] = []
        self.longest_s = 0.0

    async def play(self, url: str, first_s: float, over: asyncio.Event) -> None:
        """Act from ``first_s`` (of the loop's clock) until ``over``, and wait for all answers."""
        loop = asyncio.get_running_loop()
        connected = self.client(url, actions_buffer_max=BUFFER_ACTIONS)
        async with connected as client, asyncio.TaskGroup() as group:
            while not over.is_set():
                await asyncio.sleep(first_s + self.sent / ACTIONS_PER_SECOND - loop.time())
                group.create_task(self._tap(client, self.sent))
                self.sent += 1

    async def _tap(self, client: touchline.Client, number: int) -> None:
        began_s = time.monotonic()
        error = await self.act(client, number)
        if error is None:
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
        else:
            self.unexpected.append(f"{self.name}, action {number}: {error!r}")


class Chaos:
    """Restarts edges and the broker, and cuts players off, until it is ``enough``.

    Edges are stopped in each way at least once, the broker is restarted once. ``restarts`` counts what was done.
    """

    def __init__(
        self,
        broker: KafkaBroker,
        edges: Sequence[EdgeProcess],
        relay: Relay,
        random_: random.Random,
        enough: Callable[[], bool],
    ) -> None:
        self.restarts: Counter[str] = Counter()
        self._broker = broker
        self._edges = edges
        self._relay = relay
        self._random = random_
        self._enough = enough

    async def reign(self) -> None:
        """Do it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._restart_edges())
            group.create_task(self._restart_broker())
            group.create_task(self._cut())

    async def _restart_edges(self) -> None:
        while not self._enough():
            for way in self._random.sample(list(ENDS), len(ENDS)):
                await self._some_time(EDGE_REST_S)
                edge = self._random.choice(self._edges)
                code = await edge.stop(way)
                self.restarts[f"edge {way.name}"] += 1
                if code != ENDS[way]:
                    self.restarts[f"edge ended with {code}"] += 1
                await self._some_time(AWAY_S)
                await self._start(edge)

    async def _start(self, edge: EdgeProcess) -> None:
        """Start an edge, again where it gives up since the broker is away, as whatever looks after it would do."""
        while True:
            try:
                await edge.start()
            except AssertionError:
                self.restarts["edge gave its start up"] += 1
            else:
                return

    async def _restart_broker(self) -> None:
        kill = self._random.random() < 1 / 2
        await self._some_time(EDGE_REST_S)
        while not self._enough():
            await asyncio.to_thread(self._broker.stop, kill=kill)
            self.restarts[f"broker {'SIGKILL' if kill else 'SIGTERM'}"] += 1
            await self._some_time(AWAY_S)
            self._broker.launch()
            await asyncio.to_thread(self._broker.wait_started)
            kill = not kill
            if not self._enough():
                await self._some_time(BROKER_REST_S)

    async def _cut(self) -> None:
        while not self._enough():
            await self._some_time(SILENCE_REST_S)
            await self._relay.silence_one(SILENCE_S)

    async def _some_time(self, between_s: tuple[float, float]) -> None:
        await asyncio.sleep(self._random.uniform(*between_s))


class Played(NamedTuple):
    """What became of a scenario."""

    players: list[Player]
    live: SdkActionReader
    restarts: Counter[str]
    cuts: int
    took_s: float


async def play(scenario: Scenario, broker: KafkaBroker, edges: Sequence[EdgeProcess]) -> Played:
    """Let players act and a detector read while everything is restarted."""
    players = [Player(number) for number in range(scenario.players)]
    live = reader(broker.address, "live")
    over = asyncio.Event()
    random_ = random.Random(scenario.seed)
    relay = Relay([edge.port for edge in edges], random_)
    wanted = round(scenario.seconds * ACTIONS_PER_SECOND)
    chaos = Chaos(broker, edges, relay, random_, lambda: all(player.sent >= wanted for player in players))
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(live.read(PARTITIONS))
        await live.started.wait()
        async with relay.running():
            url = f"ws://127.0.0.1:{relay.port}/ws"
            began_s = asyncio.get_running_loop().time()
            async with asyncio.TaskGroup() as playing:
                for number, player in enumerate(players):
                    first_s = began_s + number / scenario.players / ACTIONS_PER_SECOND
                    playing.create_task(player.play(url, first_s, over))
                await chaos.reign()
                over.set()
            took_s = asyncio.get_running_loop().time() - began_s
        await say_the_end(broker.address)
        await reading
    return Played(players, live, chaos.restarts, relay.cuts, took_s)


def reader(address: str, group: str) -> SdkActionReader:
    """A detector of a group, which reads to `END`."""
    return SdkActionReader(address, TOPIC, group, end=END)


async def say_the_end(address: str) -> None:
    """Let `END` act in each partition."""
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all")
    await producer.start()
    try:
        for partition in range(PARTITIONS):
            end = ActionRecord(END, ROOM, "end", msgspec.Raw(b"null"), "s", partition + 1, int(time.time() * 1000), "e")
            await producer.send_and_wait(
                TOPIC, encode_action(end), key=END.encode(), partition=partition, headers=action_headers(end)
            )
    finally:
        await producer.stop()
