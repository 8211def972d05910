"""A process of Touchline's that is started, stopped, killed and started again: an edge, a keeper."""

import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from touchline_loadtest.clock import now_ms
from touchline_loadtest.runs.records import Mark
from touchline_loadtest.runs.writer import RunWriter

from .child import Child, ChildFailed, start_child

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 45.0
"""Longer than the longest drain, which `docs/operations.md` states, and what follows it."""


class ServerProcess:
    """A process that serves once it has printed ``ready``, and has its health at ``health_port``."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        ready: re.Pattern[str],
        health_port: int,
        run: RunWriter,
        *,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.health_port = health_port
        self._command = command
        self._ready = ready
        self._variables = variables
        self._output: Path = run.folder / f"{name}.log"
        self._run = run
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return None if self._child is None else self._child.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._child is not None and self._child.ended

    def failure(self) -> ChildFailed:
        """The error for a process that has ended by itself."""
        assert self._child is not None  # noqa: S101 - that is what ended means
        return self._child.failure()

    async def start(self) -> None:
        """Start the process, and wait until it serves.

        Raises:
            ChildFailed: it does not.
        """
        self._child = await start_child(self.name, self._command, self._output, self._variables)
        await self._child.until_printed(self._ready, START_TIMEOUT_S)

    async def crash(self) -> None:
        """Kill it, start it again, and mark both times in the run."""
        self.mark(now_ms(), f"{self.name} is killed", moment=True)
        await self.kill()
        await self.start_again()

    async def stop(self) -> int:
        """Stop it as an operator does; returns the exit code, 0 if it does not run."""
        child, self._child = self._child, None
        return 0 if child is None else await child.end(signal.SIGTERM, STOP_TIMEOUT_S)

    async def kill(self) -> None:
        """Kill it; nothing happens if it does not run."""
        child, self._child = self._child, None
        if child is not None:
            await child.kill()

    async def start_again(self) -> None:
        """Start it, and mark how long that took."""
        began_ms = now_ms()
        await self.start()
        self.mark(began_ms, f"{self.name} starts again")

    def mark(self, began_ms: float, text: str, *, moment: bool = False) -> None:
        """Mark a fault in the run, a moment or one that is over now."""
        self._run.mark(Mark(began_ms, text, "fault", None if moment else now_ms()))
