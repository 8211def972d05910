"""What the operator's side of a load test does at a cue: edges drain, the network breaks, goals fall."""

import time
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from touchline_loadtest.checks.closes import Cause
from touchline_loadtest.locust.shapes.schedule import CueKind
from touchline_loadtest.publish.batches import PublishBatches
from touchline_loadtest.rig.edges import Edge, now_ms
from touchline_loadtest.rig.relay import Relay
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_loadtest.runs.records import Mark
from touchline_loadtest.runs.writer import RunWriter

from .goals import goal_burst


class Stage(NamedTuple):
    """All that a cue can affect. ``relay`` is None if users connect to the edge itself; goals fall in ``rooms``."""

    run: RunWriter
    causes: TraceWriter
    edges: Sequence[Edge]
    relay: Relay | None
    publish: PublishBatches
    rooms: Sequence[str]


class Faults:
    """Carries out cues, one after the other."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._goals = count(1)
        self._turns = count()

    async def carry_out(self, cue: CueKind) -> None:
        """Do what this cue calls for; it is over when this returns.

        Raises:
            ChildFailed: an edge did not come back.
        """
        match cue:
            case CueKind.GOAL:
                await self._stage.publish(goal_burst(self._stage.rooms, time.time_ns() // 1_000_000, next(self._goals)))
            case CueKind.DRAIN:
                await self._drain(self._next_edge())
            case CueKind.KILL:
                await self._kill(self._next_edge())
            case CueKind.CUT:
                self._cut()
            case CueKind.LEAVE | CueKind.RETURN:
                pass  # users do that by themselves

    def _next_edge(self) -> Edge:
        """Edges take turns."""
        return self._stage.edges[next(self._turns) % len(self._stage.edges)]

    async def _kill(self, edge: Edge) -> None:
        began_ms = now_ms()
        try:
            await edge.crash()
        finally:
            self._explain(Cause("edge_killed", began_ms, now_ms(), edge=edge.name))

    async def _drain(self, edge: Edge) -> None:
        began_ms = now_ms()
        try:
            await edge.drain()
        finally:
            self._explain(Cause("edge_drained", began_ms, now_ms(), edge=edge.name))

    def _cut(self) -> None:
        if self._stage.relay is None:
            return
        at_ms = now_ms()
        cut = self._stage.relay.cut_all()
        self._explain(Cause("connection_cut", at_ms))
        self._stage.run.mark(Mark(at_ms, f"{cut} connections are cut", "fault"))

    def _explain(self, cause: Cause) -> None:
        """Tell the checker why connections ended."""
        self._stage.causes.cause(cause)
        self._stage.causes.flush()
