"""A pytest plugin: which tests need anything outside of their process, and the order in which tests begin.

Each of the others fails if it opens a socket or starts a process all the same.

There is no list of files to keep: what a test needs follows from what its file imports, and from what helpers in tests/
import for it. Workers (``--numprocesses``) take tests in this order and steal from the end of each other's queue, so
those that wait for brokers, browsers and processes begin first, and no worker is left alone with one of them.
"""

import functools
import re
import sys
from collections.abc import Generator
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
    "touchline_server.control.server",
}
"""A test whose file imports one of these, or a helper that does, needs a socket, a process, a broker or a browser."""

LONGEST_FIRST = ("tests/e2e/", "tests/loadtest/", "tests/demo/")
"""Folders of tests that take many seconds each."""

IMPORT = re.compile(r"^ *(?:from|import) ([\w.]+)", re.MULTILINE)
SERVER = re.compile(r"\bstart_server\(")
"""asyncio is imported by everybody, so a server of its own is found by its call."""

FORBIDDEN = {"socket.bind", "socket.connect", "subprocess.Popen", "os.posix_spawn"}
"""What Python reports to audit hooks of sockets and processes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need something outside, and put them first."""
    for item in items:
        if OUTSIDE & imported_by(item.path):
            item.add_marker(pytest.mark.outside)
    items.sort(key=_rank)


class _Guard:
    """An audit hook, which cannot be removed, so there is one for the whole run."""

    def __init__(self) -> None:
        self.on = False
        sys.addaudithook(self._look)

    def _look(self, event: str, _: object) -> None:
        if self.on and event in FORBIDDEN:
            self.on = False
            pytest.fail(f"{event} in a test without the marker outside: add what it imports to OUTSIDE in {__file__}")


_guard = _Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Hold a test that is said to need nothing outside to that."""
    _guard.on = item.get_closest_marker("outside") is None
    try:
        return (yield)
    finally:
        _guard.on = False


@functools.cache
def imported_by(path: Path) -> frozenset[str]:
    """The modules that a test file imports, and those that helpers in tests/ import for it."""
    found: set[str] = set()
    unread = [path]
    while unread:
        text = unread.pop().read_text("utf-8")
        modules = IMPORT.findall(text) + (["socket"] if SERVER.search(text) else [])
        for module in modules:
            if module not in found:
                found.add(module)
                helper = TESTS.joinpath(*module.split(".")).with_suffix(".py")
                if helper.exists():
                    unread.append(helper)
    return frozenset(found)


def _rank(item: pytest.Item) -> tuple[bool, int]:
    folders = [number for number, folder in enumerate(LONGEST_FIRST) if item.nodeid.startswith(folder)]
    return item.get_closest_marker("outside") is None, folders[0] if folders else len(LONGEST_FIRST)
