"""The command line as its users run it: in a process of its own."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from support.processes import environment

COMMAND = [sys.executable, "-m", "touchline_server"]

DEADLINE_S = 90.0


class Server(NamedTuple):
    """A running ``touchline serve``: what it printed, and its addresses."""

    process: subprocess.Popen[str]
    banner: str
    websocket_url: str
    control_url: str


def run(*args: str, env: Mapping[str, str] | None = None, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *args],
        env=_environment(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@contextmanager
def running(*args: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a command alongside the test. It is killed at the end if it is still running."""
    process = subprocess.Popen(
        [*COMMAND, *args], env=_environment(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def serving(*args: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run ``touchline serve`` on free ports, with a log in memory unless ``args`` name one."""
    log = () if "--log" in args else ("--log", "sqlite://")
    with running("serve", "--port", "0", "--control-port", "0", *log, *args, env=env) as process:
        banner = ""
        while not (control := re.search(r"http://\S+", banner)):
            banner += line_of(process.stdout, process)
        websocket = re.search(r"ws://\S+", banner)
        assert websocket
        yield Server(process, banner, websocket.group(), control.group())


def line_of(stream: IO[str] | None, process: subprocess.Popen[str]) -> str:
    """The next line. The deadline is pytest's timeout."""
    assert stream is not None
    line = stream.readline()
    if not line:
        assert process.stderr is not None
        raise AssertionError(f"the process ended: {process.stderr.read()}")
    return line


def line_named(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """The next line of this event in a log of JSON lines."""
    while True:
        line: dict[str, Any] = json.loads(line_of(process.stderr, process))
        if line["event"] == event:
            return line


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    """Send a signal and wait for the end; returns exit code, the rest of stdout, and stderr."""
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, err


def complaints(errors: str) -> str:
    """What a command wrote to stderr, without its notes that it waits: on a busy machine any answer may come late."""
    return "".join(line for line in errors.splitlines(True) if not line.startswith(("note: ", "waiting for ")))


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    return environment() | {"PYTHONWARNINGS": "default"} | dict(extra or {})
