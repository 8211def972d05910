"""A pytest plugin: which tests need anything outside of their process, and the order in which tests begin.

There is no list of files to keep: what a test needs follows from what its file imports, and from what helpers in tests/
import for it. Workers (``--numprocesses``) take tests in this order and steal from the end of each other's queue, so
those that wait for brokers, browsers and processes begin first, and no worker is left alone with one of them.
"""

import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

OUTSIDE = {
    "http.server",
    "httpx",
    "multiprocessing",
    "support.browser",
    "socket",
    "subprocess",
    "urllib.request",
    "uvicorn",
    "websockets.asyncio.client",
    "websockets.asyncio.server",
    "websockets.sync.client",
    "support.kafka_broker",
    "support.node_fixture",
    "support.processes",
    "support.relay",
}
"""A test whose file imports one of these, or a helper that does, needs a socket, a process, a broker or a browser."""

LONGEST_FIRST = ("tests/e2e/", "tests/loadtest/", "tests/demo/")
"""Folders of tests that take many seconds each."""

IMPORT = re.compile(r"^ *(?:from|import) ([\w.]+)", re.MULTILINE)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need something outside, and put them first."""
    for item in items:
        if OUTSIDE & imported_by(item.path):
            item.add_marker(pytest.mark.outside)
    items.sort(key=_rank)


@functools.cache
def imported_by(path: Path) -> frozenset[str]:
    """The modules that a test file imports, and those that helpers in tests/ import for it."""
    found: set[str] = set()
    unread = [path]
    while unread:
        for module in IMPORT.findall(unread.pop().read_text("utf-8")):
            if module not in found:
                found.add(module)
                helper = TESTS.joinpath(*module.split(".")).with_suffix(".py")
                if helper.exists():
                    unread.append(helper)
    return frozenset(found)


def _rank(item: pytest.Item) -> tuple[bool, int]:
    folders = [number for number, folder in enumerate(LONGEST_FIRST) if item.nodeid.startswith(folder)]
    return item.get_closest_marker("outside") is None, folders[0] if folders else len(LONGEST_FIRST)
