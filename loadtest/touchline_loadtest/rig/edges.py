"""The edges of a run: ``touchline serve``, each of one process or of several workers, on ports that stay theirs."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from touchline_loadtest.clock import now_ms
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.runs.writer import RunWriter

from .server_process import ServerProcess

READY = re.compile(r"\bhttp://127\.0\.0\.1:\d+")
"""The address of the control port, which an edge prints once it serves."""
WORKER_MODULE = "touchline_server.cli.worker"
GONE_S_MAX = 10.0
"""How long a killed process may take to be gone."""


class Edge(ServerProcess):
    """One edge. ``health_port`` is that of its control plane."""

    def __init__(self, name: str, kafka: str, config: Path, run: RunWriter, *, workers: int = 1) -> None:
        self.port, control_port = free_ports(2)
        self.workers = workers
        listen = ("--port", str(self.port), "--control-port", str(control_port), "--workers", str(workers))
        serve = ("serve", "--edge-name", name, "--log", f"kafka://{kafka}", "--config", str(config), *listen)
        super().__init__(name, (sys.executable, "-m", "touchline_server", *serve), READY, control_port, run)

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes that run, by name: ``edge-1``, and with several workers ``edge-1/1``, ``edge-1/2`` too."""
        own = {} if self.pid is None else {self.name: self.pid}
        return {**own, **self.worker_pids()}

    def worker_pids(self) -> Mapping[str, int]:
        """The processes of workers by their names; none if the edge is one process."""
        if self.pid is None or self.workers == 1:
            return {}
        with suppress(psutil.Error):
            commands = {each.pid: each.cmdline() for each in psutil.Process(self.pid).children()}
            # python -m touchline_server.cli.worker NAME, and more
            return {
                command[command.index(WORKER_MODULE) + 1]: pid
                for pid, command in commands.items()
                if WORKER_MODULE in command[:-1]
            }
        return {}

    async def drain(self) -> None:
        """Stop it as an operator does, start it again, and mark both times in the run."""
        began_ms = now_ms()
        self.mark(began_ms, f"{self.name} begins to drain", moment=True)
        await self.stop()
        self.mark(began_ms, f"{self.name} drains")
        await self.start_again()

    async def kill(self) -> None:
        """Kill it with all of its workers, as when a machine fails; nothing happens if it does not run."""
        workers = self.worker_pids().values()
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)  # first, since it would replace its workers
        for pid in workers:
            kill_process(pid)
        await super().kill()
        await asyncio.gather(*(asyncio.to_thread(until_gone, pid) for pid in workers))


def kill_process(pid: int) -> None:
    """Kill a process that is not a child of this one."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def until_gone(pid: int) -> None:
    """Wait until a process that was killed is gone."""
    with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        psutil.Process(pid).wait(GONE_S_MAX)
