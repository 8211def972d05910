"""Performs the faults of a plan on the edges, and on clients' connections."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

from cluster.plan import EdgeFault, Fault
from cluster.rig import Edge, Rig, start_edge

SILENCE_S = 0.5
CUTS = 5
"""Connections per fault of this kind: there are many, and each costs little."""


class EdgeFaults:
    """Does to the edges what a plan says."""

    def __init__(self, rig: Rig) -> None:
        self.done: Counter[str] = Counter()
        self.exit_codes: Counter[int] = Counter()
        """How edges ended that were stopped or killed."""
        self._rig = rig
        self._ways: dict[EdgeFault, Callable[[Fault], Awaitable[None]]] = {
            "stop_edge": self.stop_edge,
            "kill_edge": self.kill_edge,
            "pause_edge": self.pause_edge,
            "cut_client": self.cut_client,
            "silence_client": self.silence_client,
        }

    async def perform(self, fault: Fault) -> None:
        """Perform one fault. An edge that it stopped runs again afterwards."""
        await self._ways[fault.kind](fault)  # type: ignore[index]
        self.done[fault.kind] += 1

    async def stop_edge(self, fault: Fault) -> None:
        """Restart an edge as an operator does."""
        await self._restart(fault, signal.SIGTERM)

    async def kill_edge(self, fault: Fault) -> None:
        """Kill an edge, and start it again."""
        await self._restart(fault, signal.SIGKILL)

    async def pause_edge(self, fault: Fault) -> None:
        """Stop an edge's process without ending it."""
        edge = self._edge(fault)
        async with edge.lock:
            edge.send_signal(signal.SIGSTOP)
            await asyncio.sleep(fault.away_s)
            edge.send_signal(signal.SIGCONT)

    async def cut_client(self, _: Fault) -> None:
        """Cut connections."""
        for _number in range(CUTS):
            self._rig.relay.cut_one()

    async def silence_client(self, _: Fault) -> None:
        """Lose what edges send to some clients, then cut their connections."""
        await asyncio.gather(*(self._rig.relay.silence_one(SILENCE_S) for _number in range(CUTS)))

    async def _restart(self, fault: Fault, number: signal.Signals) -> None:
        edge = self._edge(fault)
        async with edge.lock:
            code = await edge.stop(number)
            self.exit_codes[code] += 1
            await asyncio.sleep(fault.away_s)
            await start_edge(edge)

    def _edge(self, fault: Fault) -> Edge:
        return self._rig.edges[fault.target % len(self._rig.edges)]
