"""The edges of a run: ``touchline serve`` processes, on ports that stay theirs, with one configuration file."""

import re
import signal
import sys
import time
from pathlib import Path

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.runs.records import Mark
from touchline_loadtest.runs.writer import RunWriter

from .child import Child, ChildFailed, start_child
from .topics import RunTopics

START_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 45.0
"""Longer than the longest drain, which `docs/operations.md` states, and what follows it."""
READY = re.compile(r"\bhttp://127\.0\.0\.1:\d+")
"""The address of the control port, which an edge prints once it serves."""

# The users share the machine with the edge: one that is kept waiting for a core says hello late. All clients of a swarm
# share one token.
CONFIG = """\
heartbeat_s = 10.0
handshake_timeout_s = 30.0
[auth]
mode = "token"
hs256_secret = "{secret}"
[players]
connections_max = 1000000
[actions]
topic = "{actions}"
[verdicts]
topic = "{verdicts}"
"""


def edge_config(topics: RunTopics, secret: str) -> str:
    """The configuration file of all edges, in TOML."""
    feeds = "".join(f'[feeds.{feed}]\ntopic = "{topic}"\n' for feed, topic in topics.feeds.items())
    return CONFIG.format(secret=secret, actions=topics.actions, verdicts=topics.verdicts) + feeds


class Edge:
    """One edge. ``control_port`` serves its health and metrics."""

    def __init__(self, name: str, kafka: str, config: Path, run: RunWriter) -> None:
        self.name = name
        self.port, self.control_port = free_ports(2)
        listen = ("--port", str(self.port), "--control-port", str(self.control_port))
        serve = ("serve", "--edge-name", name, "--log", f"kafka://{kafka}", "--config", str(config), *listen)
        self._command = (sys.executable, "-m", "touchline_server", *serve)
        self._output = config.with_name(f"{name}.log")
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
        """The error for an edge that has ended by itself."""
        assert self._child is not None  # noqa: S101 - that is what ended means
        return self._child.failure()

    async def start(self) -> None:
        """Start the process, and wait until it serves.

        Raises:
            ChildFailed: it does not.
        """
        self._child = await start_child(self.name, self._command, self._output)
        await self._child.until_printed(READY, START_TIMEOUT_S)

    async def drain(self) -> None:
        """Stop it as an operator does, start it again, and mark both times in the run."""
        began_ms = now_ms()
        self._mark(began_ms, f"{self.name} begins to drain", moment=True)
        await self.stop()
        self._mark(began_ms, f"{self.name} drains")
        await self._start_again()

    async def crash(self) -> None:
        """Kill it, start it again, and mark both times in the run."""
        self._mark(now_ms(), f"{self.name} is killed", moment=True)
        await self.kill()
        await self._start_again()

    async def stop(self) -> int:
        """Stop it as an operator does; returns the exit code, 0 if it does not run."""
        child, self._child = self._child, None
        return 0 if child is None else await child.end(signal.SIGTERM, DRAIN_TIMEOUT_S)

    async def kill(self) -> None:
        """Kill it; nothing happens if it does not run."""
        child, self._child = self._child, None
        if child is not None:
            await child.kill()

    async def _start_again(self) -> None:
        began_ms = now_ms()
        await self.start()
        self._mark(began_ms, f"{self.name} starts again")

    def _mark(self, began_ms: float, text: str, *, moment: bool = False) -> None:
        self._run.mark(Mark(began_ms, text, "fault", None if moment else now_ms()))


def now_ms() -> float:
    """Unix milliseconds."""
    return time.time() * 1000
