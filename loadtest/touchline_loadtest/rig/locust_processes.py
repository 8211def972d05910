"""Locust as child processes: one, or a master and its workers.

Locust can fork its workers itself (``--processes``). Here each is a process of its own, which ends when this program
ends, however it ends; workers that were forked would outlive it for a minute.
"""

import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from touchline_loadtest.locust.shapes.schedule import CUT_BY_NETWORK
from touchline_loadtest.runs.writer import RunWriter

from .child import Child, child
from .free_ports import free_ports
from .settings import LoadTest

LOCUSTFILE = Path(__file__).parents[1] / "locust" / "locustfile.py"
STOP_TIMEOUT_S = 30.0
"""Thousands of users close their connections before Locust ends."""


class Target(NamedTuple):
    """What Locust's users connect to."""

    url: str
    rooms: str
    secret: str


class Locust(NamedTuple):
    """Locust at work. ``children`` are all of its processes by name; ``main`` is the one whose exit code counts."""

    main: Child
    children: Mapping[str, Child]


def commands(test: LoadTest, target: Target, master_port: int) -> Mapping[str, Sequence[str]]:
    """The command lines of Locust's processes by name; the first one's exit code is the result."""
    base = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--run-folder", str(test.folder)]
    users = ["--host", target.url, "--rooms", target.rooms, *test.locust]
    if test.processes == 1:
        return {"locust": [*base, *users, *_main_options(test)]}
    listen = ("--master-bind-host", "127.0.0.1", "--master-bind-port", str(master_port))
    expect = ("--expect-workers", str(test.processes))
    worker = [*base, "--worker", "--master-host", "127.0.0.1", "--master-port", str(master_port)]
    names = [f"locust-{number}" for number in range(1, test.processes + 1)]
    master = [*base, "--master", *listen, *expect, *users, *_main_options(test)]
    return {"locust-master": master, **dict.fromkeys(names, worker)}


def stats_file(folder: Path) -> Path:
    """The file with Locust's statistics at the end of a test."""
    return folder / "locust.json"


def _main_options(test: LoadTest) -> list[str]:
    """The options of the process that runs the shape and judges the result."""
    stats = str(stats_file(test.folder).with_suffix(""))  # Locust adds the suffix
    size = ("--users", str(test.users), "--run-time", f"{test.seconds:g}")
    options = ["--json-file", stats, "--shape", test.shape, *size]
    if test.relayed:
        options += ["--cut-by", CUT_BY_NETWORK]
    if test.web_port is None:
        options.append("--headless")
    else:
        options += ["--autostart", "--web-host", "127.0.0.1", "--web-port", str(test.web_port)]
    return options


@contextlib.asynccontextmanager
async def locust(test: LoadTest, target: Target, run: RunWriter) -> AsyncIterator[Locust]:
    """Run Locust's processes. They are ended at the end of the block if they have not ended by themselves."""
    (port,) = free_ports(1)
    secret = {"LOCUST_TOKEN_SECRET": target.secret}
    async with contextlib.AsyncExitStack() as stack:
        children = {}
        for name, command in commands(test, target, port).items():
            output = run.folder / f"{name}.log"
            running = child(name, command, output, secret, stop=signal.SIGTERM, stop_timeout_s=STOP_TIMEOUT_S)
            children[name] = await stack.enter_async_context(running)
        yield Locust(next(iter(children.values())), children)
