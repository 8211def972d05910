"""Fixtures for the demo's tests: the whole demo, a scripted edge in its place, and a page in a browser.

They run in the session's event loop, as the browser does.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from demo.running_demo import RunningDemo, running_demo
from demo.scripted_edge import ScriptedEdge, scripted_edge
from support.browser import browser, open_page
from support.session_loop import run_in_session_loop

__all__ = ["browser"]  # a fixture

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run_in_session_loop(items, HERE)


@pytest_asyncio.fixture(loop_scope="session")
async def demo() -> AsyncIterator[RunningDemo]:
    async with running_demo() as demo:
        yield demo


@pytest_asyncio.fixture(loop_scope="session")
async def edge() -> AsyncIterator[ScriptedEdge]:
    async with scripted_edge() as edge:
        yield edge


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with open_page(browser) as page:
        yield page
