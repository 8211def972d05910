"""Signals that arrive while a server still imports its modules."""

import signal
import subprocess
import sys

import pytest

NOTED = """
import asyncio, os, signal, sys
from touchline_cli.start import end_on_signals, note_signals

end_on_signals()
note_signals()
for number in map(int, sys.argv[1:]):
    os.kill(os.getpid(), number)
from touchline_server.node.signals import stop_on_signals

async def serve():
    received, reload = [], asyncio.Event()
    stop = stop_on_signals(received.append, received.append, reload=reload.set)
    print(stop.is_set(), reload.is_set(), [number.name for number in received])

asyncio.run(serve())
"""
STARTS = """
import signal, sys
from touchline_server.__main__ import _run

sys.argv = ["touchline", sys.argv[1], "--version"]
try:
    _run()
finally:
    print(signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL)
"""


def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("signals", "outcome"),
    [
        pytest.param([], "False False []", marks=pytest.mark.long),
        pytest.param([signal.SIGHUP], "False True []", marks=pytest.mark.long),
        pytest.param([signal.SIGTERM], "True False ['SIGTERM']", marks=pytest.mark.long),
        ([signal.SIGHUP, signal.SIGHUP, signal.SIGTERM], "True True ['SIGTERM']"),
    ],
)
def test_a_signal_during_the_start_counts_once_the_server_can_act_on_it(
    signals: list[signal.Signals], outcome: str
) -> None:
    done = run(NOTED, *(int(number) for number in signals))
    assert (done.returncode, done.stdout.strip()) == (0, outcome), done.stderr


@pytest.mark.long
def test_a_second_sigterm_during_the_start_ends_the_process_at_once() -> None:
    assert run(NOTED, int(signal.SIGTERM), int(signal.SIGTERM)).returncode == -signal.SIGTERM


@pytest.mark.long
@pytest.mark.parametrize(("command", "notes"), [("serve", True), ("keeper", True), ("token", False)])
def test_servers_note_signals_and_other_commands_end_by_them(command: str, notes: bool) -> None:
    assert run(STARTS, command).stdout.strip().splitlines()[-1] == str(notes)
