"""What all users of a process share, from the start of a test to its end."""

import logging
import time
from collections.abc import Iterator
from itertools import count
from os import getpid
from random import Random
from typing import Any, Protocol

import gevent
from locust.env import Environment
from locust.log import greenlet_exception_logger
from locust.runners import MasterRunner

from touchline_loadtest.clock import now_ms
from touchline_loadtest.locust.connection.tapped_codec import Decoded
from touchline_loadtest.locust.observe.latency import LatencyMeter
from touchline_loadtest.locust.observe.observer import Observer
from touchline_loadtest.locust.observe.patience import LOOK_S, Patience
from touchline_loadtest.locust.observe.referee import Referee
from touchline_loadtest.locust.observe.shared import Shared, Values
from touchline_loadtest.locust.observe.surprises import Surprises
from touchline_loadtest.locust.results.recorder import UserRecorder
from touchline_loadtest.locust.results.stats import FLUSH_S, Stats
from touchline_loadtest.locust.shapes.cues import on_cue
from touchline_loadtest.locust.shapes.schedule import Cue, CueKind
from touchline_protocol.codecs import CODECS

from .options import given
from .run_folder import RunFolder

log = logging.getLogger("touchline.loadtest")


class ActiveUser(Protocol):
    """A user at work. ``observer`` is that of its connection, None before the first."""

    observer: Observer | None

    def cue(self, kind: CueKind) -> None:
        """Something happens to everybody."""

    def give_up(self) -> None:
        """The user has waited in vain."""


class LoadProcess:
    """One process of a load test. `load_process` returns that of an environment."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.users: set[ActiveUser] = set()
        self.patience = Patience()
        self.stats = Stats(environment)
        self.surprises = Surprises()
        self.latency = LatencyMeter(given(environment, "publish_time"))
        self.shared = Shared(self.stats, Referee(), self.latency, self.surprises, Values(), now_ms)
        self.decoded = {codec.name: Decoded(codec) for codec in CODECS}
        self.folder: RunFolder | None = None
        self._random = Random()  # noqa: S311 - not for secrets
        self._numbers: Iterator[int] = count(1)
        self._flusher: gevent.Greenlet[[], None] | None = None
        if not self.is_master:
            on_cue(environment, self._cue)

    @property
    def is_master(self) -> bool:
        """Whether the users are in other processes."""
        return isinstance(self.environment.runner, MasterRunner)

    def client_name(self, kind: str) -> str:
        """A name that no other client of the run has."""
        return f"{kind}-{self._process_name()}-{next(self._numbers)}"

    def new_recorder(self, client: str) -> UserRecorder:
        """Records what a client of this process sees."""
        share = given(self.environment, "record_share")
        recorded = self.folder is not None and (share is None or self._random.random() < float(share))
        return UserRecorder(client, self.folder.traces if recorded and self.folder is not None else None)

    def begin(self, folder: RunFolder | None) -> None:
        """A test starts, and writes into ``folder``."""
        self.folder = folder
        if self._flusher is None:
            self._flusher = gevent.spawn(self._flush_often)
            # If it fails, the exit code is 2.
            self._flusher.link_exception(greenlet_exception_logger(log))  # type: ignore[no-untyped-call]
            watchdog = gevent.spawn(self._look_often)
            watchdog.link_exception(greenlet_exception_logger(log))  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """A test has stopped: whatever was observed is in Locust's statistics, and in the run folder."""
        self.surprises.judge(float("inf"))
        self.flush()

    def flush(self) -> None:
        """Hand on what was observed."""
        samples, breaches = self.stats.flush()
        if self.folder is not None and not self.is_master:
            self.folder.record(samples, breaches)

    def _flush_often(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            if self.folder is not None and self.folder.shared:
                for mark in self.folder.faults():
                    self.surprises.fault(mark.at_ms, mark.end_ms)
            self.surprises.judge(now_ms())
            self.flush()

    def _look_often(self) -> None:
        """Look for what does not happen."""
        while True:
            gevent.sleep(LOOK_S)
            users = {user.observer: user for user in self.users if user.observer is not None}
            for observer in self.patience.look(users, time.monotonic()):
                users[observer].give_up()

    def _cue(self, cue: Cue) -> None:
        """Tell the users, each at its own time."""
        for user in list(self.users):
            if self._random.random() < cue.share:
                gevent.spawn_later(self._random.uniform(0, cue.within_s), user.cue, cue.kind)

    def _process_name(self) -> str:
        """Distinguishes the processes of a run, also those of other machines."""
        runner: Any = self.environment.runner
        index = getattr(runner, "worker_index", -1)
        return f"{getpid()}" if index < 0 else f"w{index}-{getpid()}"


_processes: dict[Environment, LoadProcess] = {}


def load_process(environment: Environment) -> LoadProcess:
    """The one of this environment; created by the first call, once there is a runner."""
    if environment not in _processes:
        _processes[environment] = LoadProcess(environment)
    return _processes[environment]
