"""One run: starts everything, lets the plan happen, waits until everything has arrived, and checks it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from cluster.clients.crowd import Crowd, visitor
from cluster.clients.players import Player, pass_sentence
from cluster.faults.cluster_faults import ClusterFaults
from cluster.faults.edge_faults import EdgeFaults
from cluster.plan import Fault, Plan
from cluster.producers import Numbers, Publisher, Sent
from cluster.rig import Rig
from cluster.scene import ACTIONS_TOPIC, FEEDS, GROWN, Size
from cluster.truth import Truth
from support.sdk_player import SdkActionReader, logged_actions
from touchline_loadtest.checks.actions import Verdict
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.comparison.action_check import check_actions, check_verdicts
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.trace import Joined, Received, Settled, Trace
from touchline_loadtest.measure.actions.reader import read_actions

SETTLED_S = 60.0
"""How long after the last fault everything has to have arrived everywhere."""
POLL_S = 0.1
EXIT_CODES = {0, -9}
"""Edges that were stopped, and edges that were killed, end with these."""


class Outcome(NamedTuple):
    """What was done, what was seen, and what was wrong. ``lost``: acknowledged events that Kafka itself has lost."""

    breaches: list[Breach]
    lost: list[Sent]
    done: Counter[str]
    counts: Counter[str]


class Run:
    """A run of one plan. ``note`` is called with a line about each thing that happens."""

    def __init__(self, plan: Plan, size: Size, folder: Path, note: Callable[[str], None]) -> None:
        random = Random(plan.seed)
        self._plan = plan
        self._note = note
        self._random = random
        self._rig = Rig(folder, random)
        numbers = Numbers()
        rate_hz = size.events_hz / len(FEEDS)
        self._publishers = {feed.name: Publisher(feed, self._rig.address, rate_hz, numbers, random) for feed in FEEDS}
        late = Publisher(GROWN, self._rig.address, rate_hz, Numbers(late=True), random)
        self._all_publishers = [*self._publishers.values(), late]
        self._traces: list[Trace] = []
        self._truth = Truth(self._rig.address)
        self._cluster = ClusterFaults(self._rig, self._publishers, self._truth, self._traces)
        self._edges = EdgeFaults(self._rig)
        self._size = size
        self._players: list[Player] = []
        self._verdicts: list[Verdict] = []
        self._background: dict[str, asyncio.Task[None]] = {}
        self._breaches: list[Breach] = []
        self._counts: Counter[str] = Counter()

    async def run(self) -> Outcome:
        """Do it all. Takes the plan's time, and one or two minutes more."""
        async with self._rig.running():
            try:
                await self._play()
            finally:
                for task in self._background.values():
                    task.cancel()
                await asyncio.gather(*self._background.values(), return_exceptions=True)
        self._breaches += self._cluster.breaches
        self._check_rooms()
        lost = [event for each in self._all_publishers if not each.feed.lossy for event in self._truth.lost(each)]
        self._count(lost)
        return Outcome(self._breaches, lost, self._cluster.done + self._edges.done, self._counts)

    async def _play(self) -> None:
        over = asyncio.Event()
        crowd = Crowd(self._rig.relay.port, self._size.watchers, self._random)
        self._traces += crowd.traces
        self._players = [
            Player(number, self._rig.relay.port, self._size.actions_hz) for number in range(self._size.players)
        ]
        live = SdkActionReader(self._rig.address, ACTIONS_TOPIC, "live")
        for number, watcher in enumerate(crowd.watchers):
            self._start(f"watcher {number}", watcher.run())
        for number, publisher in enumerate(self._all_publishers):
            self._start(f"publisher {number} of {publisher.feed.name}", publisher.run())
        self._start("live detector", live.read())
        playing = [asyncio.create_task(player.play(over)) for player in self._players]
        await self._trouble()
        self._note("faults are over")
        over.set()
        await self._until("player still waits for answers", lambda: [task for task in playing if not task.done()])
        await self._settle()
        for task in playing:
            task.cancel()
        await self._check_actions(live)
        await self._probe()
        self._note_failures()

    def _start(self, name: str, work: Coroutine[None, None, None]) -> None:
        self._background[name] = asyncio.create_task(work)

    async def _trouble(self) -> None:
        end_s = time.monotonic() + self._plan.seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lane(self._plan.brokers, self._cluster.disturb_brokers, end_s))
            group.create_task(self._lane(self._plan.topics, self._cluster.damage_topics, end_s))
            group.create_task(self._lane(self._plan.edges, self._edges.perform, end_s))
            group.create_task(self._sentence(end_s - self._plan.seconds))

    async def _lane(
        self, faults: Sequence[Fault], perform: Callable[[Fault], Coroutine[None, None, None]], end_s: float
    ) -> None:
        for fault in faults:
            await asyncio.sleep(fault.wait_s)
            if time.monotonic() > end_s:
                return
            began_s = time.monotonic()
            self._note(f"{fault.kind} begins")
            await perform(fault)
            self._note(f"{fault.kind} healed after {time.monotonic() - began_s:.1f} s")

    async def _sentence(self, began_s: float) -> None:
        for sanction in self._plan.sanctions:
            await asyncio.sleep(began_s + sanction.at_s - time.monotonic())
            player = self._players[sanction.player].name
            self._verdicts.append(await pass_sentence(self._rig.address, player, sanction.kind))
            self._note(f"{sanction.kind} of {player}")

    async def _settle(self) -> None:
        """Publish the last event of each room, wait until every client has it, and let new clients join."""
        newest: dict[str, int] = {}
        for publisher in self._all_publishers:
            await publisher.pause()
        for publisher in self._publishers.values():
            newest |= await publisher.finish()
        self._note("the last events are published")
        await self._until(
            "client has not got everything",
            lambda: [trace.client for trace in self._traces if newest[trace.room] not in trace.newest],
        )
        visitors: list[Trace] = []
        for edge in self._rig.edges:
            watcher, traces = visitor(edge.name, edge.port, self._random)
            visitors += traces
            self._start(f"visitor of {edge.name}", watcher.run())
        await self._until(
            "visitor has not joined",
            lambda: [trace.client for trace in visitors if not any(isinstance(item, Joined) for item in trace.items)],
        )
        self._traces += visitors
        for publisher in self._publishers.values():
            await self._truth.read(publisher.feed, publisher.generation)

    async def _until(self, complaint: str, unfinished: Callable[[], Sequence[object]]) -> None:
        """Wait until nothing is unfinished. The run goes on after that, since the checks say more."""
        began_s = time.monotonic()
        while (left := unfinished()) and time.monotonic() < began_s + SETTLED_S:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        took_s = time.monotonic() - began_s
        self._note(
            f"{len(left)} x {complaint} after {took_s:.1f} s: {left[:3]}" if left else f"settled in {took_s:.1f} s"
        )
        if left:
            self._breaches.append(Breach("not_settled", str(left[0]), f"{len(left)} x {complaint}"))

    async def _check_actions(self, live: SdkActionReader) -> None:
        records = await read_actions(self._rig.address, ACTIONS_TOPIC)
        logged = logged_actions(records)
        entries = {each.action for each in logged}
        later = SdkActionReader(self._rig.address, ACTIONS_TOPIC, "later")
        self._start("later detector", later.read())
        await self._until("action was not handed out", lambda: list(entries - (set(live.seen) & set(later.seen))))
        acted = [each for player in self._players for each in player.acted]
        readers = {"live detector": live.seen, "later detector": later.seen}
        self._breaches += check_actions(acted, logged, readers)
        self._counts["actions in the log"] = len(logged)
        self._counts["actions acknowledged"] = sum(not each.code for each in acted)

    async def _probe(self) -> None:
        """Let every player act on every edge, to see which verdicts are enforced."""
        pairs = [(player, edge) for player in self._players for edge in self._rig.edges]
        codes = await asyncio.gather(*(player.probe(edge.port) for player, edge in pairs))
        probes = {(player.name, edge.name): code for (player, edge), code in zip(pairs, codes, strict=True)}
        acted = [each for player in self._players for each in player.acted]
        self._breaches += check_verdicts(acted, self._verdicts, probes)

    def _note_failures(self) -> None:
        for name, task in self._background.items():
            if task.done():
                error = None if task.cancelled() else task.exception()
                self._breaches.append(Breach("ended", name, repr(error)))
        for code in self._edges.exit_codes.keys() - EXIT_CODES:
            self._breaches.append(Breach("edge_ended", "an edge", f"exit code {code}"))

    def _check_rooms(self) -> None:
        for publisher in self._publishers.values():
            sent = {
                number: event
                for each in self._all_publishers
                if each.feed is publisher.feed
                for number, event in each.sent.items()
            }
            for room in self._truth.rooms(publisher.feed, sent):
                traces = [trace for trace in self._traces if trace.room == room.room]
                for trace in traces:
                    trace.add(Settled())
                self._breaches += check_room(room, traces)

    def _count(self, lost: Sequence[Sent]) -> None:
        items = [item for trace in self._traces for item in trace.items]
        self._counts["events sent"] = sum(len(each.sent) for each in self._all_publishers)
        self._counts["events acknowledged"] = sum(len(each.acked) for each in self._all_publishers)
        self._counts["acknowledged events that Kafka lost"] = len(lost)
        self._counts["events received"] = sum(isinstance(item, Received) for item in items)
        self._counts["resumed"] = sum(isinstance(item, Joined) and item.recovered for item in items)
        self._counts["started over"] = sum(isinstance(item, Joined) and not item.recovered for item in items)
        self._counts["connections cut"] = self._rig.relay.cuts
