"""A pytest plugin that marks tests that need anything outside their process, and starts those first.

A test without the marker fails if it opens a socket or starts a process.

There is no list of files to maintain: the imports of a test's file, and those of the helpers in tests/ that it imports,
show what the test needs. Workers (``--numprocesses``) take tests in this order, and steal from the end of each other's
queues. So tests that wait for brokers, browsers and processes start first, and no worker is left alone with one of them
at the end.
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
    "touchline_loadtest.peers.catalogue",
    "touchline_loadtest.rig.child",
    "touchline_loadtest.rig.edges",
    "touchline_loadtest.free_ports",
    "touchline_loadtest.rig.kafka.java",
    "touchline_loadtest.rig.kafka.local",
    "touchline_loadtest.rig.relay",
    "touchline_server.control.server",
    "touchline_server.node.supervisor.crew",
}
"""A test needs a socket, a process, a broker or a browser if its file, or a helper of it, imports one of these."""

LONGEST_FIRST = ("tests/cluster/", "tests/e2e/", "tests/loadtest/", "tests/demo/")
"""Folders whose tests take many seconds each."""

IMPORT = re.compile(r"^ *(?:from|import) ([\w.]+)", re.MULTILINE)
SERVER = re.compile(r"\bstart_server\(")
"""Every file imports asyncio, so a server that a test starts itself is found by this call."""

FORBIDDEN = {"socket.bind", "socket.connect", "subprocess.Popen", "os.posix_spawn"}
"""The audit events of Python that show the use of a socket or a process."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need something outside their process, and put them first."""
    for item in items:
        if OUTSIDE & imported_by(item.path):
            item.add_marker(pytest.mark.outside)
    items.sort(key=_rank)


class _Guard:
    """Watches for forbidden audit events. An audit hook cannot be removed, so there is one for the whole run."""

    def __init__(self) -> None:
        self.watching = False
        sys.addaudithook(self._check)

    def _check(self, event: str, _: object) -> None:
        if self.watching and event in FORBIDDEN:
            self.watching = False
            pytest.fail(
                f"{event} in a test without the marker outside: add the module it uses to OUTSIDE in {__file__}"
            )


_guard = _Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Let the guard watch each test that is not marked."""
    _guard.watching = item.get_closest_marker("outside") is None
    try:
        return (yield)
    finally:
        _guard.watching = False


@functools.cache
def imported_by(path: Path) -> frozenset[str]:
    """The modules that a test file imports, including those imported by its helpers in tests/."""
    found: set[str] = set()
    unread = [path]
    while unread:
        for module in _imports_of(unread.pop()) - found:
            found.add(module)
            if (helper := _helper(module)) is not None:
                unread.append(helper)
    return frozenset(found)


@functools.cache
def _imports_of(path: Path) -> frozenset[str]:
    text = path.read_text("utf-8")
    return frozenset(IMPORT.findall(text) + (["socket"] if SERVER.search(text) else []))


@functools.cache
def _helper(module: str) -> Path | None:
    """The file in tests/ that has a module, if one does."""
    path = TESTS.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.exists() else None


def _rank(item: pytest.Item) -> tuple[bool, int]:
    folders = [number for number, folder in enumerate(LONGEST_FIRST) if item.nodeid.startswith(folder)]
    return item.get_closest_marker("outside") is None, folders[0] if folders else len(LONGEST_FIRST)
