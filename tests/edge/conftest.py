"""Runs the tests of the edge on uvloop, as in production."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from edge.logs import BreakableLog
from support.node_fixture import RunningNode, running_node
from touchline_server.core import liveness
from touchline_server.edge import server


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def log() -> BreakableLog:
    """A log for a node that the test starts itself."""
    return BreakableLog()


@pytest.fixture
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an edge wait for a moment only until a connection ends that it has closed."""
    for module in (liveness, server):
        monkeypatch.setattr(module, "LINGER_MS", 300)


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """A node with the default limits."""
    async with running_node() as running:
        yield running
