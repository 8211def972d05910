"""What the operator's side of a load test does at a cue: edges drain, processes die, the network breaks, goals fall.

Each fault is over when everything is ready again. Causes explain to the checker why connections end, or events stay
away; a fault that may do neither, such as the death of Redis, has no cause.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import msgspec

from touchline_loadtest.checks.closes import Cause, CauseKind
from touchline_loadtest.clock import now_ms
from touchline_loadtest.locust.shapes.schedule import CueKind
from touchline_loadtest.publish.batches import PublishBatches
from touchline_loadtest.rig.edges import Edge, kill_process, until_gone
from touchline_loadtest.rig.kafka.broker import Broker
from touchline_loadtest.rig.kafka.local import LocalKafka
from touchline_loadtest.rig.servers import Servers
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_loadtest.runs.records import Mark
from touchline_loadtest.runs.writer import RunWriter

from .goals import goal_burst
from .health import until_ready
from .newcomers import Newcomers, let_newcomers_join
from .replication import leader_of, until_replicated

READY_S_MAX = 60.0
"""Everything has to be ready again within this time."""
REDIS_AWAY_S = 5.0
"""Longer than an edge waits until it calls numbers incomplete."""
BROKER_AWAY_S = 8.0
"""Twice the time after which the other brokers notice."""
KAFKA_AWAY_S = 10.0


class Stage(NamedTuple):
    """All that a cue can affect. ``rooms`` are all rooms; goals fall in those that are ``scored``.

    ``traces`` take causes, and what newcomers see. ``secret`` signs their tokens.
    """

    run: RunWriter
    traces: TraceWriter
    servers: Servers
    publish: PublishBatches
    rooms: Sequence[str]
    scored: Sequence[str]
    secret: str


class Fault(NamedTuple):
    """A fault that is over.

    ``undone_ms`` is when the operator had started everything again, and ``lasted_s`` how long it took until everything
    was ready; ``problem`` says why if it never was.
    """

    what: CueKind
    began_ms: float
    undone_ms: float
    lasted_s: float
    problem: str


class Report(msgspec.Struct):
    """What has been done so far: ``faults`` that are over, and what ``newcomers`` got, None before they came."""

    faults: list[Fault] = []
    newcomers: Newcomers | None = None


class Operator:
    """Carries out cues, one after the other, and adds to the report."""

    def __init__(self, stage: Stage, report: Report) -> None:
        self._report = report
        self._stage = stage
        self._servers = stage.servers
        self._goals = count(1)
        self._turns: Mapping[CueKind, count[int]] = {kind: count() for kind in CueKind}
        self._actions: Mapping[CueKind, Callable[[], Awaitable[None]]] = {
            CueKind.DRAIN: self._drain,
            CueKind.KILL: self._kill_edge,
            CueKind.KILL_WORKER: self._kill_worker,
            CueKind.KILL_KEEPER: self._kill_keeper,
            CueKind.KILL_REDIS: self._kill_redis,
            CueKind.EMPTY_REDIS: self._empty_redis,
            CueKind.KILL_BROKER: self._kill_broker,
            CueKind.KILL_KAFKA: self._kill_kafka,
            CueKind.NEWCOMERS: self._let_newcomers_join,
        }

    async def carry_out(self, cue: CueKind) -> None:
        """Do what this cue calls for; it is over when this returns.

        Raises:
            ChildFailed, OperatorError: a server did not come back.
        """
        if (action := self._actions.get(cue)) is not None:
            await self._until_over(cue, action)
        elif cue is CueKind.GOAL:
            await self._stage.publish(goal_burst(self._stage.scored, time.time_ns() // 1_000_000, next(self._goals)))
        elif cue is CueKind.CUT:
            self._cut()

    async def _until_over(self, cue: CueKind, action: Callable[[], Awaitable[None]]) -> None:
        began_ms = now_ms()
        await action()
        undone_ms = now_ms()
        problem = ""
        if (kafka := self._servers.own_kafka) is not None:
            problem = await until_replicated(kafka.address, READY_S_MAX)
        problem = problem or await until_ready(self._servers.edges, self._servers.keepers, READY_S_MAX)
        self._report.faults.append(Fault(cue, began_ms, undone_ms, (now_ms() - began_ms) / 1000, problem))

    def _next_edge(self, kind: CueKind) -> Edge:
        """Edges take turns."""
        edges = self._servers.edges
        return edges[next(self._turns[kind]) % len(edges)]

    async def _drain(self) -> None:
        edge, began_ms = self._next_edge(CueKind.DRAIN), now_ms()
        try:
            await edge.drain()
        finally:
            self._explain("edge_drained", began_ms, edge.name)

    async def _kill_edge(self) -> None:
        edge, began_ms = self._next_edge(CueKind.KILL), now_ms()
        try:
            await edge.crash()
        finally:
            self._explain("edge_killed", began_ms, edge.name)

    async def _kill_worker(self) -> None:
        """Its supervisor replaces it."""
        edge, began_ms = self._next_edge(CueKind.KILL_WORKER), now_ms()
        name, pid = next(iter(edge.worker_pids().items()))
        edge.mark(began_ms, f"{name} is killed", moment=True)
        kill_process(pid)
        await asyncio.to_thread(until_gone, pid)
        self._explain("edge_killed", began_ms, edge.name)

    async def _kill_keeper(self) -> None:
        keepers = self._servers.keepers
        await keepers[next(self._turns[CueKind.KILL_KEEPER]) % len(keepers)].crash()

    async def _kill_redis(self) -> None:
        await self._restart_redis(lose_data=False)

    async def _empty_redis(self) -> None:
        await self._restart_redis(lose_data=True)

    async def _restart_redis(self, *, lose_data: bool) -> None:
        redis = self._servers.redis
        assert redis is not None  # noqa: S101 - the settings were checked
        redis.stop(kill=True)
        if lose_data:
            redis.lose_data()
        await asyncio.sleep(REDIS_AWAY_S)
        redis.launch()
        await asyncio.to_thread(redis.wait_started)

    async def _kill_broker(self) -> None:
        """Kill the broker that leads the partition of the room that most people watch."""
        kafka = self._kafka
        feed, _, room_id = self._stage.rooms[0].partition(":")
        leader = await leader_of(kafka.address, self._servers.topics.feeds[feed], room_id)
        await self._restart_brokers([broker for broker in kafka.brokers if broker.node_id == leader], BROKER_AWAY_S)

    async def _kill_kafka(self) -> None:
        kafka = self._kafka
        await self._restart_brokers(kafka.brokers, KAFKA_AWAY_S)

    async def _restart_brokers(self, brokers: Sequence[Broker], away_s: float) -> None:
        kafka = self._kafka
        names = ", ".join(f"kafka-{broker.node_id}" for broker in brokers)
        began_ms = now_ms()
        self._stage.run.mark(Mark(began_ms, f"{names}: killed", "fault"))
        try:
            kafka.kill(brokers)
            await asyncio.sleep(away_s)
            self._stage.run.mark(Mark(now_ms(), f"{names}: started again", "fault"))
            await kafka.start(brokers)
        finally:
            self._explain("log_unavailable", began_ms)
            self._stage.run.mark(Mark(began_ms, f"{names}: away", "fault", now_ms()))

    async def _let_newcomers_join(self) -> None:
        stage = self._stage
        self._report.newcomers = await let_newcomers_join(stage.servers.edges, stage.rooms, stage.secret, stage.traces)

    @property
    def _kafka(self) -> LocalKafka:
        """The brokers of the load test's own."""
        assert self._servers.own_kafka is not None  # noqa: S101 - the settings were checked
        return self._servers.own_kafka

    def _cut(self) -> None:
        if self._servers.relay is None:
            return
        at_ms = now_ms()
        cut = self._servers.relay.cut_all()
        self._explain("connection_cut", at_ms)
        self._stage.run.mark(Mark(at_ms, f"{cut} connections are cut", "fault"))

    def _explain(self, kind: CauseKind, began_ms: float, edge: str = "") -> None:
        """Tell the checker why connections ended, or events were late, from then until now."""
        self._stage.traces.cause(Cause(kind, began_ms, now_ms(), edge=edge))
        self._stage.traces.flush()
