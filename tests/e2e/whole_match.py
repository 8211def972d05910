"""A whole match, end to end: a file replayed into Kafka, two edges, and clients that stay, join late, or are cut off.

Everything is what a user runs: ``touchline`` commands in processes of their own, the Python SDK, the real broker. Half
of the clients take json, half msgpack. Clients that are cut off come back, by themselves, to either edge. One edge is
stopped and started again meanwhile.
"""

import asyncio
import random
from pathlib import Path
from typing import Any, Literal, NamedTuple

import touchline
from support.processes import EdgeProcess, touchline_command
from support.sdk_trace import SdkTrace
from touchline_demo.matches.scoreboard import FULL_TIME
from touchline_loadtest.checks.trace import Trace
from touchline_loadtest.rig.relay import Relay
from touchline_protocol.codecs import CodecName

Kind = Literal["there from the start", "joins late", "is cut off"]
KINDS: tuple[Kind, ...] = ("there from the start", "joins late", "is cut off")

REPLAY_SPEED = 600
"""A match of 93 minutes in some 10 seconds, 400 events/s."""

CUTS_PER_CLIENT = 2
"""How often a client of the third kind is cut off, on average."""

BACKOFF = touchline.Backoff(0.2, 2.0)
"""Short, so that a client is cut off several times within the 10 seconds; long enough that hundreds of clients of a
stopped edge, all in one process here, leave that process time for the others."""


class Scenario(NamedTuple):
    """How many clients, and the match: its file, its id, its events in order, and how long its replay takes."""

    clients: int
    file: Path
    match_id: str
    events: list[Any]
    length_s: float
    seed: int = 20180818

    @property
    def there_from_start(self) -> int:
        return sum(1 for number in range(self.clients) if KINDS[number % len(KINDS)] != "joins late")


class Seen(NamedTuple):
    """What one client saw: its traces, the data of the match's events, and the score's state that it ended with."""

    kind: Kind
    match: Trace
    score: Trace
    events: list[Any]
    state: dict[str, Any]
    restarts: int


class Crowd:
    """All clients."""

    def __init__(self, scenario: Scenario, urls: list[str], relay: Relay) -> None:
        self.scenario = scenario
        self.urls = urls
        self.relay = relay
        self.random = random.Random(scenario.seed)
        self.there = 0
        self.all_there = asyncio.Event()

    async def run(self) -> list[Seen]:
        """Run all clients until each has seen the match's last event, and the score at full time."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._client(number)) for number in range(self.scenario.clients)]
        return [task.result() for task in tasks]

    async def cut(self) -> None:
        """Cut off clients of the third kind, again and again, for as long as the match lasts."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        cuts = CUTS_PER_CLIENT * self.scenario.clients // len(KINDS)
        for due_s in sorted(self.random.uniform(0, self.scenario.length_s) for _ in range(cuts)):
            await asyncio.sleep(started + due_s - loop.time())
            self.relay.cut_one()

    async def _client(self, number: int) -> Seen:
        kind = KINDS[number % len(KINDS)]
        codec: CodecName = "json" if number % 2 else "msgpack"
        url = f"ws://127.0.0.1:{self.relay.port}/ws" if kind == "is cut off" else self.random.choice(self.urls)
        if kind == "joins late":
            await self.all_there.wait()
            await asyncio.sleep(self.random.uniform(0, self.scenario.length_s))
        async with touchline.connect(url, codec=codec, retry_first=True, proxy=False, backoff=BACKOFF) as client:
            who = f"client {number}, which {kind}"
            score = SdkTrace(client, Trace(who, f"score:{self.scenario.match_id}"))
            match = SdkTrace(client, Trace(who, f"match:{self.scenario.match_id}"), last=1)
            await score.joined()
            await match.joined()
            if kind != "joins late":
                self._one_more_is_there()
            events = await self._until_the_last(match)
            changes = score.events()
            while (period := score.room.state.get("period")) is None or period.data["name"] != FULL_TIME:
                await anext(changes)
            for room in (match, score):
                room.settle()
            state = {key: event.data for key, event in score.room.state.items()}
            return Seen(kind, match.trace, score.trace, events, state, match.room.restarts + score.room.restarts)

    async def _until_the_last(self, match: SdkTrace) -> list[Any]:
        events: list[Any] = []
        async for event in match.events():
            events.append(event.data)
            if event.data == self.scenario.events[-1]:
                break
        return events

    def _one_more_is_there(self) -> None:
        self.there += 1
        if self.there == self.scenario.there_from_start:
            self.all_there.set()


async def play(scenario: Scenario, log: str, config: Path, edges: list[EdgeProcess]) -> tuple[list[Seen], int]:
    """Let the crowd in, replay the match, restart an edge on the way.

    Returns what each client saw, and how often one was cut off.
    """
    relay = Relay([edge.port for edge in edges], random.Random(scenario.seed))
    async with relay.running(), asyncio.TaskGroup() as group:
        crowd = Crowd(scenario, [edge.url for edge in edges], relay)
        watching = group.create_task(crowd.run())
        await crowd.all_there.wait()
        room = f"match:{scenario.match_id}"
        replay = ("replay", str(scenario.file), "--room", room, "--speed", str(REPLAY_SPEED))
        replaying = group.create_task(touchline_command(*replay, "--log", log, "--config", str(config)))
        cutting = group.create_task(crowd.cut())
        await asyncio.sleep(scenario.length_s / 3)
        await edges[1].restart()
        await asyncio.gather(replaying, cutting)
        return await watching, relay.cuts
