"""What all users of a process share, from the start of a test to its end."""

import time
from collections.abc import Iterator
from itertools import count
from os import getpid
from random import Random
from typing import Protocol

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from touchline_loadtest.locust.connection.tapped_codec import Decoded
from touchline_loadtest.locust.observe.latency import LatencyMeter
from touchline_loadtest.locust.observe.referee import Referee
from touchline_loadtest.locust.observe.shared import Shared, Values
from touchline_loadtest.locust.observe.surprises import Surprises
from touchline_loadtest.locust.results.stats import FLUSH_S, Stats
from touchline_loadtest.locust.shapes.cues import on_cue
from touchline_loadtest.locust.shapes.schedule import Cue, CueKind
from touchline_protocol.codecs import CODECS

from .options import given


class Cued(Protocol):
    """A user who hears cues."""

    def cue(self, kind: CueKind) -> None:
        """Something happens to everybody."""


class LoadProcess:
    """One process of a load test. `load_process` returns that of an environment."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.users: set[Cued] = set()
        self.stats = Stats(environment)
        self.surprises = Surprises()
        self.latency = LatencyMeter(given(environment, "publish_time"))
        self.shared = Shared(self.stats, Referee(), self.latency, self.surprises, Values(), unix_ms)
        self.decoded = {codec.name: Decoded(codec) for codec in CODECS}
        self._random = Random()  # noqa: S311 - not for secrets
        self._numbers: Iterator[int] = count(1)
        self._flusher: gevent.Greenlet[[], None] | None = None
        if not isinstance(environment.runner, MasterRunner):
            on_cue(environment, self._cue)

    def client_name(self, kind: str) -> str:
        """A name that no other client of the run has."""
        return f"{kind}-{getpid()}-{next(self._numbers)}"

    def begin(self) -> None:
        """A test starts."""
        if self._flusher is None:
            self._flusher = gevent.spawn(self._flush)

    def end(self) -> None:
        """A test has stopped: whatever was observed is in Locust's statistics now."""
        self.surprises.judge(float("inf"))
        self.stats.flush()

    def _flush(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self.surprises.judge(unix_ms())
            self.stats.flush()

    def _cue(self, cue: Cue) -> None:
        """Tell the users, each at its own time."""
        for user in list(self.users):
            if self._random.random() < cue.share:
                gevent.spawn_later(self._random.uniform(0, cue.within_s), user.cue, cue.kind)


_processes: dict[Environment, LoadProcess] = {}


def load_process(environment: Environment) -> LoadProcess:
    """The one of this environment; created by the first call, once there is a runner."""
    if environment not in _processes:
        _processes[environment] = LoadProcess(environment)
    return _processes[environment]


def unix_ms() -> float:
    """The clock of the computer."""
    return time.time() * 1000
