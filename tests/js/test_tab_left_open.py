"""A tab that is left open for half an hour of virtual time, with 50 faults: the SDK in Chromium, two edges, and Kafka.

The clocks of the page and of the edges are set ahead step by step; the network, the log and the browser are real. So a
seed repeats the plan of faults, not what each of them meets.
"""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Browser, Page

from js.edges_in_virtual_time import Edges, edges_behind_a_network
from js.sdk_page import SdkPage, offset_of
from support.browser import open_page
from support.kafka_broker import KafkaBroker
from support.kafka_truth import read_log
from support.waiting import DEADLINE_S
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.rig.relay import Relay
from touchline_protocol.messages import Deliver
from touchline_server.config.tables import FeedSettings, VerdictsSettings

pytestmark = pytest.mark.long

OPEN_MS = 30 * 60_000
FAULTS = 50
STEP_MS = 5_000
QUIET_MS = 500
"""The step after the last fault: slow enough for the network, which is not faster than real time."""
BREAK_MS_MAX = 60_000
ROOMS: dict[str, Deliver] = {"score:1": "latest", "match:1": "all"}
KINDS = ("cut", "dead link", "offline", "unreachable", "sleep", "drain")
RECONNECTIONS_MIN = FAULTS // 4
"""Some faults come while the client is already away, and it waits longer the longer nothing answers."""


class Tab:
    """The page, what it is connected to, and the time that passes for all."""

    def __init__(self, page: Page, client: SdkPage, edges: Edges, relay: Relay, random_: random.Random) -> None:
        self._page = page
        self.client = client
        self._edges = edges
        self._relay = relay
        self._random = random_
        self._now_ms = 0
        self._asleep_ms: int | None = None
        self._repairs: list[tuple[int, Callable[[], Awaitable[None]]]] = []
        self._silences: list[asyncio.Task[None]] = []
        self.ends = dict.fromkeys(ROOMS, -1)

    async def leave_open(self, faults: list[tuple[int, str]]) -> None:
        """Let the half hour pass. ``faults`` are the times and the kinds."""
        waiting = sorted(faults)
        while self._now_ms < OPEN_MS:
            await self._publish()
            while waiting and waiting[0][0] <= self._now_ms:
                await self._strike(waiting.pop(0)[1])
            await self._repair()
            await self.step(STEP_MS)
        self._now_ms += BREAK_MS_MAX
        await self._repair()
        for silence in self._silences:
            silence.cancel()
        await asyncio.gather(*self._silences, return_exceptions=True)

    async def step(self, ms: int) -> None:
        """Let time pass for the page, unless it sleeps, and for the edges."""
        self._now_ms += ms
        self._edges.advance(ms)
        if self._asleep_ms is not None:
            self._asleep_ms += ms
            return
        await self._page.clock.run_for(ms)
        await self.client.collect()

    async def until_caught_up(self) -> None:
        """Let time pass until the client has read all that was published."""
        async with asyncio.timeout(2 * DEADLINE_S):
            for room, end in self.ends.items():
                while offset_of((await self.client.room(room))["cursor"]) < end:
                    await self.step(QUIET_MS)
                    await asyncio.sleep(0.05)

    async def _publish(self) -> None:
        random_, node = self._random, self._edges.node
        for _ in range(random_.randrange(3)):
            room = random_.choice(list(ROOMS))
            key = f"key {random_.randrange(4)}" if room == "score:1" or random_.random() < 0.3 else None
            data = None if key is not None and random_.random() < 0.1 else {"n": random_.randrange(10**9)}
            (position,) = await node.publish(room, data, key=key)
            self.ends[room] = position.offset

    async def _strike(self, kind: str) -> None:
        lasts_ms = self._random.randrange(BREAK_MS_MAX)
        match kind:
            case "cut":
                self._relay.cut_all()
            case "dead link":
                self._silences.append(asyncio.create_task(self._relay.silence_one(3600)))
            case "offline":
                await self._page.context.set_offline(True)
                self._relay.cut_all()
                self._repair_in(lasts_ms, lambda: self._page.context.set_offline(False))
            case "unreachable":
                self._edges.set_reachable(is_reachable=False)
                self._relay.cut_all()
                self._repair_in(lasts_ms, self._be_reachable)
            case "sleep" if self._asleep_ms is None:
                self._asleep_ms = 0
                self._repair_in(lasts_ms, self._wake)
            case "drain":
                await self._edges.replace_oldest()

    def _repair_in(self, ms: int, repair: Callable[[], Awaitable[None]]) -> None:
        self._repairs.append((self._now_ms + ms, repair))

    async def _repair(self) -> None:
        due = [repair for at_ms, repair in self._repairs if at_ms <= self._now_ms]
        self._repairs = [one for one in self._repairs if one[0] > self._now_ms]
        for repair in due:
            await repair()

    async def _be_reachable(self) -> None:
        self._edges.set_reachable(is_reachable=True)

    async def _wake(self) -> None:
        assert self._asleep_ms is not None
        slept_ms, self._asleep_ms = self._asleep_ms, None
        await self._page.clock.fast_forward(slept_ms)


def planned(random_: random.Random) -> list[tuple[int, str]]:
    """Faults at random times, each kind about as often."""
    return [(random_.randrange(OPEN_MS), KINDS[number % len(KINDS)]) for number in range(FAULTS)]


@pytest.mark.parametrize("seed", [1, 2])
async def test_it_ends_with_the_sequence_and_the_state_of_the_log(
    seed: int, browser: Browser, site: str, kafka: KafkaBroker
) -> None:
    random_ = random.Random(seed)
    run = uuid.uuid4().hex[:12]
    topics = {feed: f"{feed}-{run}" for feed in ("score", "match")}
    for topic in topics.values():
        await kafka.create(topic, 2)
    settings = {
        "url": f"kafka://{kafka.address}",
        "feeds": {feed: FeedSettings(topic=topic) for feed, topic in topics.items()},
        "verdicts": VerdictsSettings(topic=f"verdicts-{run}"),
        "heartbeat_s": 25,
    }
    async with edges_behind_a_network(seed, **settings) as (edges, relay), open_page(browser) as page:
        await page.clock.install()
        await page.goto(site)
        client = SdkPage(page, f"a tab, seed {seed}", is_timed=True)
        tab = Tab(page, client, edges, relay, random_)
        await client.connect(relay.port, backoff={}, storage=True)
        for room, deliver in ROOMS.items():
            await client.follow(room, deliver)
            await client.until_joined(room)
        await page.clock.pause_at(datetime.now() + timedelta(minutes=1))
        await tab.leave_open(planned(random_))
        await tab.until_caught_up()
        log = await read_log(kafka.address, topics)
        for room in ROOMS:
            assert check_room(log.room(room), [await client.settle(room)]) == []
        reasons = Counter(status["reason"]["code"] for status in client.statuses if status.get("reason"))
        assert {"silent", "unreachable"} <= reasons.keys(), reasons
        assert {"goaway", "going_away"} & reasons.keys(), reasons
        assert sum(status["state"] == "open" for status in client.statuses) > RECONNECTIONS_MIN, reasons
