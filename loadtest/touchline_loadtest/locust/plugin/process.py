"""What all users of a process share, from the start of a test to its end."""

from collections.abc import Iterator
from itertools import count
from os import getpid

import gevent
from locust.env import Environment

from touchline_loadtest.locust.observe.latency import LatencyMeter
from touchline_loadtest.locust.observe.observer import Process
from touchline_loadtest.locust.observe.referee import Referee
from touchline_loadtest.locust.results.stats import FLUSH_S, Stats

from .options import given


class NoFaults:
    """Nothing is done to the server on purpose."""

    def explains(self, code: int | str) -> bool:
        """Nothing is explained."""
        return False


class LoadProcess:
    """One process of a load test. `load_process` returns that of an environment."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.stats = Stats(environment)
        self.observed = Process(self.stats, Referee(), LatencyMeter(given(environment, "publish_time")), NoFaults())
        self._numbers: Iterator[int] = count(1)
        self._flusher: gevent.Greenlet[[], None] | None = None

    def client_name(self, kind: str) -> str:
        """A name that no other client of the run has."""
        return f"{kind}-{getpid()}-{next(self._numbers)}"

    def begin(self) -> None:
        """A test starts."""
        if self._flusher is None:
            self._flusher = gevent.spawn(self._flush)

    def end(self) -> None:
        """A test has stopped: whatever was observed is in Locust's statistics now."""
        self.stats.flush()

    def _flush(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self.stats.flush()


_processes: dict[Environment, LoadProcess] = {}


def load_process(environment: Environment) -> LoadProcess:
    """The one of this environment; created by the first call."""
    if environment not in _processes:
        _processes[environment] = LoadProcess(environment)
    return _processes[environment]
