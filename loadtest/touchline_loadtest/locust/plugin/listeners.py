"""Connects this package to Locust's events. The users do it, so a locustfile needs no more than to import one."""

import gevent
import locust.stats
from locust import events
from locust.env import Environment

from .options import add_options
from .session import LocustSession

PERCENTILES_TO_REPORT = [0.5, 0.9, 0.95, 0.99, 0.999, 1.0]
PERCENTILES_TO_STATISTICS = [0.5, 0.95, 0.99, 0.999]
PERCENTILES_TO_CHART = [0.5, 0.95, 0.99, 0.999]


_sessions: dict[Environment, LocustSession] = {}


def init(environment: Environment, **_: object) -> None:
    """Locust has a runner in this process."""
    # gevent measures time-outs from the loop's last turn, which was before the imports: --run-time would be too short.
    gevent.get_hub().loop.update_now()
    _sessions[environment] = LocustSession(environment)


def test_start(environment: Environment, **_: object) -> None:
    """A test starts in this process."""
    _sessions[environment].test_start()


def test_stopping(environment: Environment, **_: object) -> None:
    """A test is about to stop in this process."""
    _sessions[environment].test_stopping()


def test_stop(environment: Environment, **_: object) -> None:
    """A test has stopped in this process. A worker sends its last statistics after this."""
    _sessions[environment].test_stop()


def quitting(environment: Environment, **_: object) -> None:
    """This process is about to exit."""
    _sessions[environment].quitting()


def listen() -> None:
    """Connect everything."""
    locust.stats.PERCENTILES_TO_REPORT = PERCENTILES_TO_REPORT
    locust.stats.PERCENTILES_TO_STATISTICS = PERCENTILES_TO_STATISTICS
    locust.stats.PERCENTILES_TO_CHART = PERCENTILES_TO_CHART
    for event, listener in (
        (events.init_command_line_parser, add_options),
        (events.init, init),
        (events.test_start, test_start),
        (events.test_stopping, test_stopping),
        (events.test_stop, test_stop),
        (events.quitting, quitting),
    ):
        event.add_listener(listener)  # type: ignore[no-untyped-call]
