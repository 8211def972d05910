"""Child processes: the servers, on the server's core, and the counters and detectors, on the clients' core.

Rules: a process that was started is ended, whatever happens, and dies with this one if setpriv(1) is installed. It does
not inherit Touchline's environment variables, so it runs with its defaults.
"""

import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import IO

from .machine import cpu_s, family, own_memory_kib, pin, waited_s

START_TIMEOUT_S = 120.0
"""A server reads its log before it listens: in one scenario that is a million records."""
STOP_TIMEOUT_S = 15.0
LINE_BYTES_MAX = 16 * 1024 * 1024
"""The longest line of output that is read: that of the counters, with the times of all events."""

ORDINARY = (["lines_omitted"], ["connections_max_lowered"])
"""Warnings of a server that every measurement with many clients brings about."""

UNLESS_ORPHANED = '[ "$PPID" = "$0" ] && exec "$@"'
"""The script of a shell that becomes the command, if the process ``$0`` still is its parent."""

LISTENS = re.compile(rb"^listens +(\d+)$", re.MULTILINE)
"""What a baseline prints when it has started."""


class ProcessFailed(Exception):
    """A process did not start in time, or ended by itself."""


class ChildProcess:
    """A running process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.output = b""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.returncode

    def cpu_s(self) -> float:
        """The CPU seconds that it and the processes that it started have used."""
        return sum(cpu_s(pid) for pid in family(self.pid))

    def waited_s(self) -> float:
        """The seconds that it waited for its core."""
        return waited_s(self.pid)

    def own_memory_kib(self) -> int:
        """Its own memory now, and that of the processes that it started, in KiB."""
        return sum(own_memory_kib(pid) for pid in family(self.pid))

    async def until_printed(self, pattern: re.Pattern[bytes]) -> int:
        """Read its output until ``pattern`` is found; returns the number in the pattern's first group.

        Raises:
            ProcessFailed: it ended, or took too long.
        """
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while (found := pattern.search(self.output)) is None:
                    line = await self._process.stdout.readline()
                    if not line:
                        raise ProcessFailed(f"a server ended with exit code {await self._process.wait()}")
                    self.output += line
        except TimeoutError:
            raise ProcessFailed(f"a server did not start in {START_TIMEOUT_S:g} s") from None
        return int(found[1])

    def send_numbers(self, *numbers: float) -> None:
        """Write a line of numbers to its standard input."""
        assert self._process.stdin is not None  # noqa: S101 - as above
        self._process.stdin.write((" ".join(map(str, numbers)) + "\n").encode())

    async def write(self, data: bytes) -> None:
        """Write to its standard input; waits while it does not read."""
        assert self._process.stdin is not None  # noqa: S101 - as above
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def ask(self, line: bytes) -> bytes:
        """Write a line to its standard input; returns the next line of its output.

        Raises:
            ProcessFailed: it ended.
        """
        assert self._process.stdin is not None  # noqa: S101 - as above
        assert self._process.stdout is not None  # noqa: S101 - as above
        self._process.stdin.write(line + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise ProcessFailed(f"a process ended with exit code {await self._process.wait()}")
        return answer


def dying_with_parent(*command: str) -> list[str]:
    """The command, prefixed so that Linux kills the process when the thread that started it ends, however it ends.

    If that has already happened when the process asks to be killed, nobody would do it: then it does not begin.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    return [setpriv, "--pdeathsig", "KILL", "--", "/bin/sh", "-c", UNLESS_ORPHANED, str(os.getpid()), *command]


@contextlib.asynccontextmanager
async def module_process(
    arguments: Sequence[str],
    core: int | None,
    variables: Mapping[str, str] | None = None,
    *,
    python: str = sys.executable,
) -> AsyncIterator[ChildProcess]:
    """Run ``python -m`` with ``arguments`` on a core, and end it afterwards."""
    command = [python, "-m", *arguments]
    with tempfile.TemporaryFile() as errors:
        try:
            async with command_process(command, core, variables, stdout=PIPE, stderr=errors) as process:
                yield process
        finally:
            errors.seek(0)
            _show(errors.read().decode(errors="replace"))


@contextlib.asynccontextmanager
async def command_process(
    command: Sequence[str],
    core: int | None,
    variables: Mapping[str, str] | None = None,
    *,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
) -> AsyncIterator[ChildProcess]:
    """Run a command on a core, and end it afterwards. Without a pipe as ``stdout`` its output cannot be read here."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("TOUCHLINE_")}
    process = await asyncio.create_subprocess_exec(
        *_wrapper(core),
        *command,
        stdin=PIPE,
        stdout=stdout,
        stderr=stderr,
        limit=LINE_BYTES_MAX,
        env={**inherited, "PYTHONUNBUFFERED": "1", **(variables or {})},
    )
    try:
        pin(process.pid, core)
        yield ChildProcess(process)
    finally:
        await _end(process)


def _wrapper(core: int | None) -> list[str]:
    """What runs a command so that it dies with this process, and has all its threads on its core from the start."""
    setpriv, taskset = shutil.which("setpriv"), shutil.which("taskset")
    dies = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    return dies + ([taskset, "--cpu-list", str(core)] if taskset and core is not None else [])


@contextlib.asynccontextmanager
async def baseline_process(module: str, core: int | None, *arguments: int) -> AsyncIterator[tuple[ChildProcess, int]]:
    """Run a server of `touchline_loadtest.baselines`; yields it with its port."""
    command = [f"touchline_loadtest.baselines.{module}", *map(str, arguments)]
    async with module_process(command, core) as process:
        yield process, await process.until_printed(LISTENS)


def _show(errors: str) -> None:
    """Print what a process wrote to stderr, without a server's ordinary lines: they would tear up the table."""
    for line in errors.splitlines():
        if line.split()[1:2] != ["info"] and line.split()[2:3] not in ORDINARY:
            sys.stderr.write(f"{line}\n")


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
