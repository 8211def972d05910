"""A shape in a user's own locustfile, and its cues in all processes of a real Locust."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from touchline_loadtest.locust.shapes.schedule import CueKind

DEADLINE_S = 60.0
LOCUSTFILE = """
import os
import gevent
from locust import User, events, task
from locust.runners import MasterRunner
from touchline_loadtest.locust.shapes.classes import SHAPE
from touchline_loadtest.locust.shapes.cues import on_cue

@events.init.add_listener
def listen(environment, **_):
    if not isinstance(environment.runner, MasterRunner):
        on_cue(environment, lambda cue: os.write(1, f"cue {cue.kind} in {os.getpid()}\\n".encode()))

class Watcher(User):
    @task
    def watch(self):
        gevent.sleep(0.1)
"""


def cues_of(shape: str, tmp_path: Path) -> list[tuple[str, str]]:
    """The cues that users hear in a test of 8 s, each with the process."""
    path = tmp_path / "locustfile.py"
    path.write_text(LOCUSTFILE.replace("SHAPE", shape))
    options = ("--headless", "--users", "4", "--run-time", "8", "--processes", "2")
    command = [sys.executable, "-m", "locust", "-f", str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert "Shutting down" in done.stderr, done.stdout + done.stderr
    return re.findall(r"cue (\S+) in (\d+)", done.stdout)


@pytest.mark.long
def test_a_shape_runs_in_any_locustfile_and_its_cues_reach_every_process(tmp_path: Path) -> None:
    cues = cues_of("Goal", tmp_path)
    assert [kind for kind, _ in cues] == [CueKind.GOAL] * 4
    assert len({pid for _, pid in cues}) == 2


@pytest.mark.long
def test_users_are_not_told_what_an_operator_does(tmp_path: Path) -> None:
    assert cues_of("RollingRestart", tmp_path) == []
