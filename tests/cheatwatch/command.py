"""``cheatwatch`` as users run it: in a process of its own, which ends with the test."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from project.test_readme import ROOT, commands_in
from support.processes import environment

COMMAND = [sys.executable, "-m", "touchline_cheatwatch"]
README = ROOT / "clients" / "cheatwatch" / "README.md"
DEADLINE_S = 60.0


def the_command(pattern: str) -> list[str]:
    """The arguments of the README's only command that matches a regular expression."""
    found = [command for command in commands_in(README.read_text("utf-8")) if re.match(pattern, command)]
    assert len(found) == 1, f"the README has {found}"
    return shlex.split(found[0])[1:]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    """Run a command until it ends."""
    return subprocess.run(
        [*COMMAND, *args],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def run_beside(*args: str) -> "subprocess.Popen[str]":
    """Start a command, with pipes; the caller ends it."""
    return subprocess.Popen(
        [*COMMAND, *args], env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Watch:
    """A running ``cheatwatch watch --json``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> dict[str, Any]:
        """The next line; pytest's own timeout is the deadline."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            assert self.process.stderr is not None
            raise AssertionError(f"it exited: {self.process.stderr.read()}")
        line: dict[str, Any] = json.loads(text)
        return line

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal, and wait for the exit code, the rest of stdout, and stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, err


@contextmanager
def watching(*args: str) -> Iterator[Watch]:
    """Run ``cheatwatch watch --json`` beside the test; entered once it judges."""
    process = run_beside("watch", "--json", *args)
    watch = Watch(process)
    try:
        assert watch.line() == {"type": "watching"}
        yield watch
    finally:
        process.kill()
        process.communicate()


def _environment() -> dict[str, str]:
    return environment() | {"PYTHONWARNINGS": "default"}
