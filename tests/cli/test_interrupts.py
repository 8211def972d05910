"""Ctrl-C and SIGTERM while a command starts: it ends quietly, whatever it is doing."""

import signal
import subprocess
import sys
import time

import pytest

from cli.processes import COMMAND, DEADLINE_S
from support.processes import environment

IMPORTS_APART = 12
"""One in so many imports is interrupted."""

IMPORT_EVERYTHING = """
from importlib import import_module
from touchline_server.cli.commands import COMMANDS, extension_commands
for spec in {**COMMANDS, **extension_commands()}.values():
    import_module(spec.target.partition(":")[0])
for name in ("app", "watch_service", "evaluation_report", "operator_verdict"):
    import_module(f"touchline_cheatwatch.cli.{name}")
"""

INTERRUPTED_AT_IMPORTS = f"""
import os, signal, sys, time, weakref
from touchline_cli.start import start

class Interrupting:
    seen = 0
    def find_spec(self, name, path=None, target=None):
        Interrupting.seen += 1
        turn, rest = divmod(Interrupting.seen, {IMPORTS_APART})
        if rest:
            return
        number = (signal.SIGINT, signal.SIGTERM)[turn % 2]
        child = os.fork()
        if not child:
            def interrupt(_):
                os.kill(os.getpid(), number)
                time.sleep(0)
            doomed = Interrupting()
            kept = weakref.ref(doomed, interrupt)
            del doomed
            os._exit(99)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != (130 if number == signal.SIGINT else -signal.SIGTERM):
            print(name, number, "ended it with", code)

def command():
    sys.meta_path.insert(0, Interrupting())
    exec({IMPORT_EVERYTHING!r}, {{}})
    print(Interrupting.seen, "imports")
    return 0

start(command)
"""

COMMANDS = [
    [*COMMAND, "serve", "--log", "sqlite://", "--port", "0", "--control-port", "0"],
    [*COMMAND, "tail", "match:1", "--url", "ws://127.0.0.1:1/ws"],
    [*COMMAND, "publish", "match:1", "1", "--url", "http://127.0.0.1:1"],
    [*COMMAND, "topics", "--log", "kafka://127.0.0.1:1"],
    [*COMMAND, "demo", "--port", "0", "--control-port", "0"],
    [*COMMAND, "simulate", "--url", "http://127.0.0.1:1"],
    [sys.executable, "-m", "touchline_cheatwatch", "evaluate", "--minutes", "60"],
    [sys.executable, "-m", "touchline_cheatwatch", "watch", "--log", "kafka://127.0.0.1:1"],
]


def test_a_signal_during_an_import_ends_every_command_quietly() -> None:
    """One process imports what all commands import. At every twelfth import it forks, and the child gets a signal.

    It comes in the callback of a weak reference, as in the import system's own: an exception would be lost there.
    """
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_IMPORTS],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    [imports] = done.stdout.splitlines()
    assert int(imports.split()[0]) > 500


@pytest.mark.long
@pytest.mark.parametrize("delay_s", [0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command[2]}-{command[3]}")
def test_a_signal_at_any_time_ends_a_command_quietly(command: list[str], delay_s: float) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(delay_s)  # the moment is the input of this test
        process.send_signal(number)
        _, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode in {0, 2, 130, -signal.SIGTERM}, (command, delay_s, number, err)
        assert "Traceback" not in err
        assert "never retrieved" not in err
