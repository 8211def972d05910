"""Runs Touchline's commands from asyncio as users run them: in separate processes, which end with the test."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "touchline_server")

START_S = 120.0
"""How long a server may take to start: it reads its log first, and a test with a thousand clients reacts slowly."""


def environment() -> dict[str, str]:
    """The environment of the test process, without any settings for Touchline."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("TOUCHLINE_")}


async def touchline_command(*args: str) -> str:
    """Run ``touchline`` to completion, and return its output.

    Raises:
        AssertionError: it failed. The message is what it wrote to stderr.
    """
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment()
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return out.decode()


class EdgeProcess:
    """A ``touchline serve`` that can be stopped and started again on the same ports.

    ``errors`` is the file for what it writes to stderr, its log; by default that goes where the test's does.
    """

    def __init__(self, name: str, log: str, config: Path, ports: tuple[int, int], errors: Path | None = None) -> None:
        self.port, self.control_port = ports
        listen = ("--port", str(self.port), "--control-port", str(self.control_port))
        self._args = ("serve", "--edge-name", name, "--log", log, "--config", str(config), *listen)
        self._errors = errors
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def memory_bytes(self) -> int:
        """The resident memory of the process."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def start(self) -> None:
        """Start the process, and wait until it reports where it listens."""
        with contextlib.ExitStack() as files:
            errors = None if self._errors is None else files.enter_context(self._errors.open("ab"))
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *self._args,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=environment() | {"PYTHONUNBUFFERED": "1"},
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            while b"control " not in (line := await self._process.stdout.readline()):
                assert line, f"the edge ended with {await self._process.wait()}"
        self._reading = asyncio.create_task(self._process.stdout.read())

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP or SIGCONT, to the running process."""
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the process to end, and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(START_S):
                return await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        finally:
            await process.wait()
            if self._reading is not None:
                await self._reading

    async def restart(self) -> None:
        """Stop the process as an operator would, and start it again."""
        assert await self.stop() == 0
        await self.start()
