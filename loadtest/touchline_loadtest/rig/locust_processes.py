"""Locust as child processes: one, or a master and its workers.

Locust can fork its workers itself (``--processes``). Here each is a process of its own, which ends when this program
ends, however it ends; workers that were forked would outlive it for a minute.
"""

import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.locust.shapes.schedule import CUT_BY_NETWORK
from touchline_loadtest.runs.writer import RunWriter
from touchline_protocol.errors import OperatorError

from .child import Child, child, last_line
from .settings import LoadTest

LOCUSTFILE = Path(__file__).parents[1] / "locust" / "locustfile.py"
STOP_TIMEOUT_S = 30.0
"""Thousands of users close their connections before Locust ends."""


START_S_MAX = 60.0
"""Far more than Locust needs to read its options, even on a busy machine."""


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
    expect = ("--expect-workers", str(test.processes), "--expect-workers-max-wait", f"{START_S_MAX:.0f}")
    worker = [*base, "--worker", "--master-host", "127.0.0.1", "--master-port", str(master_port)]
    names = [f"locust-{number}" for number in range(1, test.processes + 1)]
    master = [*base, "--master", *listen, *expect, *users, *_main_options(test)]
    return {"locust-master": master, **dict.fromkeys(names, worker)}


def check_options(options: Sequence[str]) -> None:
    """Let Locust look at the options that the user has for it, before anything is started.

    Raises:
        OperatorError: it does not take them, or there is no such class of users.
    """
    if not options:
        return
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *options, "--show-task-ratio"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_S_MAX, check=False)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        raise OperatorError(f"Locust did not start in {START_S_MAX:g} s with {' '.join(options)}") from None
    if done.returncode:
        raise OperatorError(f"Locust refuses {' '.join(options)}: {last_line(done.stderr) or last_line(done.stdout)}")


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
