"""What goes on in a topology while its processes are killed: watchers, players and publishers, and what the checker
says about all of them in the end.

They are those of the cluster run (tests/cluster), on the feeds of the compose file.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from random import Random

from cluster.clients.crowd import Watcher
from cluster.clients.sdk_watcher import SdkWatcher
from cluster.clients.socket_watcher import SocketWatcher
from cluster.clients.stream_watcher import StreamWatcher
from cluster.producers import Numbers, Publisher
from cluster.scene import Feed, rooms_of
from cluster.truth import Truth
from support.sdk_player import SdkActionReader, SdkPlayer, logged_actions
from touchline.errors import ActionRefused
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.comparison.action_check import check_actions
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Joined, Received, Settled, Trace
from touchline_loadtest.measure.actions.reader import read_actions
from touchline_protocol.codes import MUTED
from touchline_protocol.messages import Deliver

FEEDS = (Feed("match", 8), Feed("score", 8))
ACTIONS_TOPIC = "player-actions"
ROOMS = [room for feed in FEEDS for room in rooms_of(feed)]
EVENTS_HZ = 10.0
"""Of each feed."""
ACTIONS_HZ = 1.0
"""Of each player."""
BUFFER_ACTIONS = 2_000
SETTLED_S = 90.0
"""How long after the last fault everything has to have arrived."""
POLL_S = 0.1
IMPOSSIBLE_SCORE = 1e9
"""This is more than `rules.score.score_max` of deploy/cheatwatch.toml."""


class Player(SdkPlayer):
    """A player who acts about as regularly as a person, and does not wait for answers."""

    async def play(self, port: int, over: asyncio.Event, random: Random) -> None:
        """Act until ``over``, then wait for all answers."""
        client = self.client(f"ws://127.0.0.1:{port}/ws", actions_buffer_max=BUFFER_ACTIONS)
        async with client, asyncio.TaskGroup() as group:
            number = 0
            while not over.is_set():
                number += 1
                group.create_task(self.act(client, number))
                await asyncio.sleep(random.uniform(0.5, 1.5) / ACTIONS_HZ)


class Bot(SdkPlayer):
    """A player whose score cannot be."""

    async def play(self, port: int) -> None:
        """Cheat until the verdict has arrived, which refuses an action."""
        async with self.client(f"ws://127.0.0.1:{port}/ws", actions_buffer_max=BUFFER_ACTIONS) as client:
            for number in itertools.count(1):
                error = await self.act(client, number, "score", score=IMPOSSIBLE_SCORE)
                if isinstance(error, ActionRefused) and error.code == MUTED.code:
                    return
                await asyncio.sleep(1 / ACTIONS_HZ)


class Traffic:
    """Clients at a port of this machine, and publishers and readers at Kafka's address."""

    def __init__(self, port: int, kafka: str, secret: str, random: Random) -> None:
        self._port = port
        self._kafka = kafka
        self._random = random
        numbers = Numbers()
        self._publishers = [Publisher(feed, kafka, EVENTS_HZ, numbers, random) for feed in FEEDS]
        self._traces: list[Trace] = []
        self._watchers = [watcher for number, room in enumerate(ROOMS) for watcher in self._watchers_of(room, number)]
        self._players = [Player(f"player-{number}", ROOMS[number], secret) for number in range(4)]
        self._secret = secret
        self._bots: list[Bot] = []
        self._over = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._live = SdkActionReader(kafka, ACTIONS_TOPIC, "live-detector")
        self._rooms: list[RoomLog] = []
        self.breaches: list[Breach] = []
        self.counts: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let everything go on during the block. At its end everything has to arrive, and is compared with the log."""
        try:
            for number, watcher in enumerate(self._watchers):
                self._start(f"watcher {number}", watcher.run())
            for publisher in self._publishers:
                self._start(f"publisher of {publisher.feed.name}", publisher.run())
            for player in self._players:
                self._start(player.name, player.play(self._port, self._over, self._random))
            self._start("live detector", self._live.read())
            yield
            await self._settle()
            await self._check_actions()
            self._check_rooms()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def until_flowing(self) -> None:
        """Wait until every watcher has received an event that is published from now on."""
        since_ms = time.time() * 1000
        await self._until(
            "client gets no new events", lambda: [t.client for t in self._traces if _newest(t) < since_ms]
        )

    async def until_judged(self) -> None:
        """Wait until somebody who cheats from now on is muted: edge, Kafka, cheatwatch, Kafka and edge have to work."""
        bot = Bot(f"bot-{len(self._bots)}", ROOMS[0], self._secret)
        self._bots.append(bot)
        try:
            async with asyncio.timeout(SETTLED_S):
                await bot.play(self._port)
        except TimeoutError:
            self.breaches.append(Breach("not_judged", bot.name, f"no verdict after {len(bot.acted)} answers"))
        else:
            self.counts["bots muted"] += 1

    def _watchers_of(self, room: str, number: int) -> Sequence[Watcher]:
        other = ROOMS[(number + 3) % len(ROOMS)]
        sockets = [self._trace(f"socket {number}", each) for each in (room, other)]
        latest = [self._trace(f"latest {number}", room, deliver="latest")]
        return [
            SocketWatcher(self._port, "json" if number % 2 else "msgpack", sockets, self._random),
            SocketWatcher(self._port, "json", latest, self._random),
            StreamWatcher(self._port, self._trace(f"stream {number}", room), self._random),
            SdkWatcher(self._port, "msgpack", self._trace(f"SDK {number}", room, shows_skips=False)),
        ]

    def _trace(self, client: str, room: str, *, deliver: Deliver = "all", shows_skips: bool = True) -> Trace:
        trace = Trace(client, room, deliver, shows_skips=shows_skips)
        self._traces.append(trace)
        return trace

    def _start(self, name: str, work: Coroutine[None, None, None]) -> None:
        self._tasks[name] = asyncio.create_task(work)

    async def _settle(self) -> None:
        self._over.set()
        players = [self._tasks[player.name] for player in self._players]
        await self._until("player waits for answers", lambda: [task for task in players if not task.done()])
        newest: dict[str, int] = {}
        for publisher in self._publishers:
            await publisher.pause()
        for publisher in self._publishers:
            newest |= await publisher.finish()
        await self._until(
            "client has not got everything",
            lambda: [trace.client for trace in self._traces if newest[trace.room] not in trace.newest],
        )
        truth = Truth(self._kafka)
        for publisher in self._publishers:
            await truth.read(publisher.feed, publisher.generation)
            self._rooms += truth.rooms(publisher.feed, publisher.sent)
            self.breaches += [Breach("lost", str(event.number), "acknowledged") for event in truth.lost(publisher)]
            self.counts["events acknowledged"] += len(publisher.acked)

    async def _check_actions(self) -> None:
        logged = logged_actions(await read_actions(self._kafka, ACTIONS_TOPIC))
        entries = {each.action for each in logged}
        await self._until("action was not handed out", lambda: list(entries - set(self._live.seen)))
        acted = [each for player in (*self._players, *self._bots) for each in player.acted]
        for player in self._players:
            if wrongly := [each for each in player.acted if each.code == MUTED.code]:
                self.breaches.append(Breach("accused", player.name, str(wrongly[0])))
        self.breaches += check_actions(acted, logged, {"live detector": self._live.seen})
        self.counts["actions acknowledged"] = sum(not each.code for each in acted)

    def _check_rooms(self) -> None:
        for room in self._rooms:
            traces = [trace for trace in self._traces if trace.room == room.room]
            for trace in traces:
                trace.add(Settled())
            self.breaches += check_room(room, traces)
        items = [item for trace in self._traces for item in trace.items]
        self.counts["events received"] = sum(isinstance(item, Received) for item in items)
        self.counts["resumed"] = sum(isinstance(item, Joined) and item.recovered for item in items)
        self.counts["started over"] = sum(isinstance(item, Joined) and not item.recovered for item in items)

    async def _until(self, complaint: str, unfinished: Callable[[], Sequence[object]]) -> None:
        """Wait until nothing is unfinished. The run goes on after that, since the checks say more.

        It ends at once with the error of a client or publisher that has failed, for which nobody has to wait.
        """
        began_s = time.monotonic()
        while (left := unfinished()) and time.monotonic() < began_s + SETTLED_S:
            for task in self._tasks.values():
                if task.done():
                    task.result()
            await asyncio.sleep(POLL_S)
        if left:
            self.breaches.append(Breach("not_settled", str(left[0]), f"{len(left)} x {complaint}"))


def _newest(trace: Trace) -> int:
    """The number of the last event that a client has, which is when it was published."""
    return max(trace.newest, default=0)
