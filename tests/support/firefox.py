"""Firefox, which Playwright cannot drive where it is Debian's: by WebDriver BiDi, which Firefox itself speaks.

``scripts/setup_firefox.sh`` installs it, for the long tests alone. BiDi is JSON over a WebSocket, and tests need four
of its commands. So neither geckodriver, which would have to be compiled, nor Selenium is needed.
"""

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from support.waiting import DEADLINE_S

FIREFOX = "firefox-esr"
ADDRESS = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")
CALL = "async (json) => JSON.stringify((await (%s)(JSON.parse(json))) ?? null)"


class FirefoxPage:
    """The only tab of a Firefox."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self._tab = ""

    async def begin(self) -> None:
        """Begin the session of WebDriver, in the tab that Firefox has opened."""
        await self._command("session.new", {"capabilities": {}})
        tree = await self._command("browsingContext.getTree", {})
        self._tab = tree["contexts"][0]["context"]

    async def goto(self, url: str) -> None:
        """Open a page, and wait until it has been loaded."""
        await self._command("browsingContext.navigate", {"context": self._tab, "url": url, "wait": "complete"})

    async def evaluate(self, function: str, argument: Any = None, /) -> Any:
        """Call a JavaScript function in the page, and return its result, or what its promise resolves to."""
        call = {
            "functionDeclaration": CALL % function,
            "arguments": [{"type": "string", "value": json.dumps(argument)}],
            "target": {"context": self._tab},
            "awaitPromise": True,
        }
        answer = await self._command("script.callFunction", call)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    async def _command(self, method: str, params: dict[str, Any]) -> Any:
        id_ = next(self._ids)
        await self._connection.send(json.dumps({"id": id_, "method": method, "params": params}))
        async with asyncio.timeout(2 * DEADLINE_S):
            while True:
                answer = json.loads(await self._connection.recv())
                if answer.get("id") == id_:
                    assert answer["type"] == "success", answer
                    return answer["result"]


@contextlib.asynccontextmanager
async def firefox_page(profile: Path) -> AsyncIterator[FirefoxPage]:
    """A Firefox with a profile in an empty folder, until the end of the block."""
    if shutil.which(FIREFOX) is None:
        pytest.fail(f"tests in Firefox need Debian's package {FIREFOX}: run scripts/setup_firefox.sh")
    options = ("--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0")
    firefox = await asyncio.create_subprocess_exec(FIREFOX, *options, stderr=asyncio.subprocess.PIPE)
    assert firefox.stderr is not None
    try:
        address = await _address(firefox.stderr)
        reading = asyncio.create_task(firefox.stderr.read())  # or Firefox would wait once the pipe is full
        async with connect(f"{address}/session", max_size=None) as connection:
            page = FirefoxPage(connection)
            await page.begin()
            yield page
    finally:
        if firefox.returncode is None:
            firefox.terminate()
        await firefox.wait()
    await reading


async def _address(stderr: asyncio.StreamReader) -> str:
    async with asyncio.timeout(2 * DEADLINE_S):
        while line := await stderr.readline():
            if found := ADDRESS.search(line):
                return found[1].decode().rstrip("/")
    raise AssertionError("Firefox ended before it listened")
