"""Two edges over one Kafka, behind a network, whose clocks go as fast as a test wants."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from support.node_fixture import RunningNode, running_node
from touchline_loadtest.rig.relay import Relay

CLOSED_PORT = 1
"""Nothing listens there, so connections are refused."""


class Edges:
    """``ports`` are those at which the network reaches edges now."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.ports: list[int] = []
        self._settings = settings
        self._ahead_s = 0.0
        self._nodes: list[tuple[RunningNode, contextlib.AsyncExitStack]] = []
        self._is_reachable = True

    @property
    def node(self) -> RunningNode:
        """An edge that serves."""
        return self._nodes[-1][0]

    def advance(self, ms: int) -> None:
        """Let time pass for all edges."""
        self._ahead_s += ms / 1000
        for node, _ in self._nodes:
            node.tick()

    def set_reachable(self, *, is_reachable: bool) -> None:
        """Whether the network lets new connections through."""
        self._is_reachable = is_reachable
        self._route()

    async def start_one(self) -> None:
        """Start another edge."""
        stack = contextlib.AsyncExitStack()
        node = await stack.enter_async_context(running_node(**self._settings))
        driver = node.edge.driver
        wall_ns, monotonic_s = driver.wall_ns, driver.monotonic_s
        driver.wall_ns = lambda: wall_ns() + round(self._ahead_s * 1e9)
        driver.monotonic_s = lambda: monotonic_s() + self._ahead_s
        self._nodes.append((node, stack))
        self._route()

    async def replace_oldest(self) -> None:
        """Drain and stop the edge that runs the longest, as an update does, after another one has taken its place."""
        await self.start_one()
        node, stack = self._nodes.pop(0)
        self._route()
        await node.stop_edge()
        await stack.aclose()

    async def stop(self) -> None:
        for _, stack in self._nodes:
            await stack.aclose()
        self._nodes.clear()

    def _route(self) -> None:
        self.ports[:] = [node.port for node, _ in self._nodes] if self._is_reachable else [CLOSED_PORT]


@contextlib.asynccontextmanager
async def edges_behind_a_network(seed: int, **settings: Any) -> AsyncIterator[tuple[Edges, Relay]]:
    """Two edges, until the end of the block."""
    edges = Edges(settings)
    try:
        await edges.start_one()
        await edges.start_one()
        async with Relay(edges.ports, random.Random(seed)).running() as relay:
            yield edges, relay
    finally:
        await edges.stop()
