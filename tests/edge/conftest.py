"""Runs the tests of the edge on uvloop, as in production."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from edge.logs import BreakableLog
from support.node_fixture import RunningNode, running_node


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def log() -> BreakableLog:
    """A log for a node that the test starts itself."""
    return BreakableLog()


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    """A node with the default limits."""
    async with running_node() as running:
        yield running
