"""A child process of a load test: an edge, cheatwatch, Locust.

Rules: a process that was started is ended, whatever happens, and dies with this one if setpriv(1) is installed. It has
a session of its own, so that Ctrl-C reaches this program alone, which then ends the others in order. It does not
inherit Touchline's environment variables. Its output goes to a file in the run folder.
"""

import asyncio
import contextlib
import os
import re
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from touchline_loadtest.measure.processes import dying_with_parent

LOOK_S = 0.05
"""Time between looks at a file for what a process has written."""
LOG_PREFIX = re.compile(r"^\[[^]]*\] \S+: ")
"""What Locust puts in front of each line: the time, the machine, the level and the logger."""
TAIL_CHARS = 2_000
"""How much of its output a message about a failure has."""


class ChildFailed(Exception):
    """A child process ended by itself, or did not start in time. The message has the end of its output."""


class Child:
    """A process that was started. ``output`` is the file that it writes to, from the byte ``begin`` on."""

    def __init__(self, name: str, process: Process, output: Path, begin: int = 0) -> None:
        self.name = name
        self.output = output
        self._begin = begin
        self._process = process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    @property
    def killed(self) -> bool:
        """Whether a signal has ended the process."""
        return self._process.returncode is not None and self._process.returncode < 0

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait until it ends; returns the exit code, negative for a signal."""
        return await self._process.wait()

    async def until_printed(self, pattern: re.Pattern[str], timeout_s: float) -> re.Match[str]:
        """Wait until its output contains ``pattern``.

        Raises:
            ChildFailed: it ended, or took too long.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while (found := pattern.search(self.printed())) is None:
                    if self.ended:
                        raise self.failure()
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise ChildFailed(f"{self.name} did not start in {timeout_s:g} s:\n{self._tail()}") from None
        return found

    def failure(self) -> ChildFailed:
        """The error for a process that has ended when it should not."""
        return ChildFailed(f"{self.name} ended with exit code {self._process.returncode}:\n{self._tail()}")

    def no_result(self) -> ChildFailed:
        """The error for a process that has ended without the result that it was started for."""
        said = last_line(self.printed()) or "it printed nothing"
        return ChildFailed(f"{self.name} ended without a result (exit code {self._process.returncode}): {said}")

    async def end(self, number: signal.Signals, timeout_s: float) -> int:
        """Send a signal, wait for the end, and kill the process if it takes too long; returns the exit code."""
        self.send_signal(number)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._process.wait()
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
            return await self._process.wait()

    async def kill(self) -> None:
        """Kill it, and wait for its end."""
        self.send_signal(signal.SIGKILL)
        await self._process.wait()

    def printed(self) -> str:
        """All its output so far."""
        return self.output.read_bytes()[self._begin :].decode(errors="replace")

    def _tail(self) -> str:
        return self.printed()[-TAIL_CHARS:]


def last_line(output: str) -> str:
    """The last line that has something in it, which usually is the reason why a program ended; empty if none has."""
    lines = [line for line in map(str.strip, output.splitlines()) if line]
    return LOG_PREFIX.sub("", lines[-1]) if lines else ""


async def start_child(
    name: str, command: Sequence[str], output: Path, variables: Mapping[str, str] | None = None
) -> Child:
    """Start a process. Its output is appended to the file ``output``; the caller ends it."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("TOUCHLINE_")}
    with output.open("ab") as file:
        begin = file.tell()
        process = await asyncio.create_subprocess_exec(
            *dying_with_parent(*command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**inherited, "PYTHONUNBUFFERED": "1", **(variables or {})},
            start_new_session=True,
        )
    return Child(name, process, output, begin)


@contextlib.asynccontextmanager
async def child(
    name: str,
    command: Sequence[str],
    output: Path,
    variables: Mapping[str, str] | None = None,
    *,
    stop: signal.Signals = signal.SIGTERM,
    stop_timeout_s: float = 10.0,
) -> AsyncIterator[Child]:
    """Run a process for the length of the block. Then it gets the signal ``stop``; after an error it is killed."""
    running = await start_child(name, command, output, variables)
    try:
        yield running
    except BaseException:
        await asyncio.shield(running.kill())
        raise
    await running.end(stop, stop_timeout_s)
