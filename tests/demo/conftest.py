"""What the demo's tests share: all of the demo, a scripted edge in its place, and a page in a browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from demo.browser import open_page
from demo.running_demo import RunningDemo, running_demo
from demo.scripted_edge import ScriptedEdge, scripted_edge


@pytest.fixture
async def demo() -> AsyncIterator[RunningDemo]:
    async with running_demo() as demo:
        yield demo


@pytest.fixture
async def edge() -> AsyncIterator[ScriptedEdge]:
    async with scripted_edge() as edge:
        yield edge


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with open_page() as page:
        yield page
