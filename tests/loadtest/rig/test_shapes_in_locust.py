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
from touchline_loadtest.locust.shapes.classes import Goal
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


@pytest.mark.long
def test_a_shape_runs_in_any_locustfile_and_its_cues_reach_every_process(tmp_path: Path) -> None:
    path = tmp_path / "locustfile.py"
    path.write_text(LOCUSTFILE)
    options = ("--headless", "--users", "4", "--run-time", "8", "--processes", "2")
    command = [sys.executable, "-m", "locust", "-f", str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    cues = re.findall(r"cue (\S+) in (\d+)", done.stdout)
    assert [kind for kind, _ in cues] == [CueKind.GOAL] * 4, done.stdout + done.stderr
    assert len({pid for _, pid in cues}) == 2
