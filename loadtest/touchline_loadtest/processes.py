"""The processes that are started: the servers that are measured, on their core, and the crowd on the clients' one.

Rules: a process that was started is ended, whatever happens, and dies with this one where setpriv(1) is there. It runs
with its defaults: variables of Touchline's that are set here are not passed on.
"""

import asyncio
import contextlib
import os
import re
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from .machine import cpu_s, own_memory_kib, pin, waited_s

START_TIMEOUT_S = 120.0
"""A server reads its log before it listens, a million records for one scenario."""
STOP_TIMEOUT_S = 15.0
LINE_BYTES_MAX = 16 * 1024 * 1024
"""Of what a process says: the longest line is the crowd's, of the times of every event."""

LISTENS = re.compile(rb"^listens +(\d+)$", re.MULTILINE)
"""What a baseline says when it has started."""
WEBSOCKET = re.compile(rb"^WebSocket +ws://127\.0\.0\.1:(\d+)/ws$", re.MULTILINE)
CONTROL = re.compile(rb"^control +http://127\.0\.0\.1:(\d+)$", re.MULTILINE)


class ServerFailed(Exception):
    """A server did not start, or ended by itself."""


class Server:
    """A running process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.said = b""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU seconds that it has used."""
        return cpu_s(self.pid)

    def waited_s(self) -> float:
        """Seconds that it waited for its core."""
        return waited_s(self.pid)

    def own_memory_kib(self) -> int:
        """Its own memory now."""
        return own_memory_kib(self.pid)

    async def until_said(self, pattern: re.Pattern[bytes]) -> int:
        """Read what it prints until ``pattern`` is in it; returns the number that the pattern holds.

        Raises:
            ServerFailed: it ended, or took too long.
        """
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while (found := pattern.search(self.said)) is None:
                    line = await self._process.stdout.readline()
                    if not line:
                        raise ServerFailed(f"the server ended with exit code {await self._process.wait()}")
                    self.said += line
        except TimeoutError:
            raise ServerFailed(f"the server did not start in {START_TIMEOUT_S:g} s") from None
        return int(found[1])

    def tell(self, *numbers: float) -> None:
        """Write a line of numbers to its standard input."""
        assert self._process.stdin is not None  # noqa: S101 - as above
        self._process.stdin.write((" ".join(map(str, numbers)) + "\n").encode())

    async def ask(self, line: bytes) -> bytes:
        """Write a line to its standard input; returns the next one that it says.

        Raises:
            ServerFailed: it ended.
        """
        assert self._process.stdin is not None  # noqa: S101 - as above
        assert self._process.stdout is not None  # noqa: S101 - as above
        self._process.stdin.write(line + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise ServerFailed(f"a process ended with exit code {await self._process.wait()}")
        return answer


class Touchline(NamedTuple):
    """A running ``touchline serve``."""

    server: Server
    port: int
    control_port: int


@contextlib.asynccontextmanager
async def running(arguments: Sequence[str], core: int | None, variables: Mapping[str, str]) -> AsyncIterator[Server]:
    """Run ``python -m`` with ``arguments`` on a core, and end it."""
    setpriv = shutil.which("setpriv")
    command = [*([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []), sys.executable, "-m", *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("TOUCHLINE_")}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_BYTES_MAX,
        env={**inherited, "PYTHONUNBUFFERED": "1", **variables},
    )
    try:
        pin(process.pid, core)
        yield Server(process)
    finally:
        await _end(process)


@contextlib.asynccontextmanager
async def touchline_serve(
    core: int | None, *, log: str = "sqlite://", variables: Mapping[str, str] | None = None
) -> AsyncIterator[Touchline]:
    """Run ``touchline serve`` on free ports. ``variables`` are settings beside the defaults."""
    arguments = ["touchline_server", "serve", "--log", log, "--port", "0", "--control-port", "0"]
    # A stop need not be gentle to clients that are leaving anyway.
    settings = {"TOUCHLINE_DRAIN_S": "0", **(variables or {})}
    async with running(arguments, core, settings) as server:
        yield Touchline(server, await server.until_said(WEBSOCKET), await server.until_said(CONTROL))


@contextlib.asynccontextmanager
async def baseline(module: str, core: int | None, *arguments: int) -> AsyncIterator[tuple[Server, int]]:
    """Run a server of `touchline_loadtest.baselines`; with its port."""
    command = [f"touchline_loadtest.baselines.{module}", *map(str, arguments)]
    async with running(command, core, {}) as server:
        yield server, await server.until_said(LISTENS)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
