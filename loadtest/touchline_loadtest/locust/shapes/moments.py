"""Moments on their way from the shape, which runs in one process, to the users in all processes.

Locust's own messages carry them: to the workers if there are any, else to the process itself.
"""

from collections.abc import Callable
from typing import Any

from locust.env import Environment
from locust.runners import MasterRunner, Runner

from .schedule import Moment, MomentKind

MESSAGE = "touchline_moment"

OnMoment = Callable[[Moment], None]


def announce(runner: Runner, moment: Moment) -> None:
    """Tell the users in all processes about a moment. Call it where the shape runs."""
    if MESSAGE in runner.custom_messages or isinstance(runner, MasterRunner):
        runner.send_message(MESSAGE, list(moment))


def on_moment(environment: Environment, listener: OnMoment) -> None:
    """Call ``listener`` in this process at every moment. One listener per process, once there is a runner."""

    def received(environment: Environment, msg: Any, **_: object) -> None:
        at_s, kind, share, within_s = msg.data
        listener(Moment(at_s, MomentKind(kind), share, within_s))

    assert environment.runner is not None  # noqa: S101 - the caller's part
    environment.runner.register_message(MESSAGE, received)
