"""Cues on their way from the shape, which runs in one process, to the users in all processes.

Locust's own messages carry them: to the workers if there are any, else to the process itself.
"""

from collections.abc import Callable
from typing import Any

from locust.env import Environment
from locust.runners import MasterRunner, Runner

from .schedule import Cue, CueKind

MESSAGE = "touchline_cue"

OnCue = Callable[[Cue], None]


def announce(runner: Runner, cue: Cue) -> None:
    """Tell the users in all processes about a cue. Call it where the shape runs."""
    if MESSAGE in runner.custom_messages or isinstance(runner, MasterRunner):
        runner.send_message(MESSAGE, list(cue))


def on_cue(environment: Environment, listener: OnCue) -> None:
    """Call ``listener`` in this process at every cue. One listener per process, once there is a runner."""

    def received(environment: Environment, msg: Any, **_: object) -> None:
        at_s, kind, share, within_s = msg.data
        listener(Cue(at_s, CueKind(kind), share, within_s))

    assert environment.runner is not None  # noqa: S101 - the caller's part
    environment.runner.register_message(MESSAGE, received)
