"""The shapes as classes for Locust: import one into a locustfile, and Locust uses it.

``--users`` and ``--run-time`` (or the fields of the web page) set the size; a subclass can set other defaults.
"""

from pathlib import Path
from typing import ClassVar

from locust import LoadTestShape

from touchline_loadtest.clock import now_ms
from touchline_loadtest.runs.records import Mark
from touchline_loadtest.runs.writer import RunWriter

from .choice import schedule_named
from .cues import announce
from .schedule import CUT_BY_NETWORK, OPERATORS, Cue, CueKind, Schedule


class LiveShape(LoadTestShape):
    """Base of the shapes: runs a schedule, and announces its cues to the users.

    Locust asks once a second, so steps and cues are up to a second late.
    """

    abstract = True
    use_common_options = True
    users: ClassVar[int] = 100
    seconds: ClassVar[float] = 60.0
    """Defaults, for a test without ``--users`` and ``--run-time``."""
    shape: ClassVar[str] = "steady"
    """The name of the schedule."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._announced_s = -1.0

    def reset_time(self) -> None:
        """Start again from the beginning."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self._announced_s = -1.0

    def schedule(self) -> Schedule:
        """The schedule, for the options of this test."""
        options = self.options()
        users = getattr(options, "num_users", None) or self.users
        return schedule_named(self.shape_name())(users, float(getattr(options, "run_time", None) or self.seconds))

    def tick(self) -> tuple[int, float] | None:
        """The number of users, and how many come or go each second; None at the end."""
        assert self.runner is not None  # noqa: S101 - Locust sets it before the test starts
        now_s, schedule = self.get_run_time(), self.schedule()  # type: ignore[no-untyped-call]
        for cue in schedule.cues_between(self._announced_s, now_s):
            if not self._is_others(cue):
                announce(self.runner, cue)
            self._mark(cue)
        self._announced_s = now_s
        step = schedule.step(now_s)
        return None if step is None else (step.users, step.per_s)

    def shape_name(self) -> str:
        """The name of the schedule that this test runs."""
        return self.shape

    def _is_others(self, cue: Cue) -> bool:
        """Whether somebody else than the users does it, so that they only see what comes of it."""
        by_network = getattr(self.options(), "cut_by", None) == CUT_BY_NETWORK
        return cue.kind in OPERATORS or (cue.kind is CueKind.CUT and by_network)

    def _mark(self, cue: Cue) -> None:
        """Mark a cue in the run folder, where the program that runs the servers sees it."""
        folder = getattr(self.options(), "run_folder", None)
        if folder:
            with RunWriter.join(Path(folder)) as run:
                run.mark(Mark(now_ms(), cue.kind))

    def options(self) -> object:
        """Locust's options, as the command line or the web page has set them."""
        return None if self.runner is None else self.runner.environment.parsed_options


class Steady(LiveShape):
    """Everybody arrives and stays."""

    abstract = False
    shape = "steady"


class Ramp(LiveShape):
    """The audience grows in ten steps."""

    abstract = False
    shape = "ramp"


class KickOff(LiveShape):
    """Everybody arrives within 30 s."""

    abstract = False
    shape = "kick-off"


class Goal(LiveShape):
    """Two goals; players react within seconds."""

    abstract = False
    shape = "goal"


class HalfTime(LiveShape):
    """Most users leave, and come back."""

    abstract = False
    shape = "half-time"


class EdgeDrain(LiveShape):
    """An edge is shut down halfway, by its operator."""

    abstract = False
    shape = "edge-drain"


class RollingRestart(LiveShape):
    """Two edges are restarted one after the other, by their operator."""

    abstract = False
    shape = "rolling-restart"


class EdgeKill(LiveShape):
    """An edge is killed halfway, by its operator."""

    abstract = False
    shape = "edge-kill"


class WorkerKill(LiveShape):
    """A worker of an edge is killed halfway, by its operator."""

    abstract = False
    shape = "worker-kill"


class FleetFaults(LiveShape):
    """Everything fails once: a worker, an edge, a keeper, Redis, a broker, and all of Kafka."""

    abstract = False
    shape = "fleet-faults"


class Avalanche(LiveShape):
    """All connections are cut at once."""

    abstract = False
    shape = "avalanche"


class ChosenShape(LiveShape):
    """The shape that Locust's option ``--shape`` names, where a locustfile has added one; steady by default."""

    abstract = False

    def shape_name(self) -> str:
        """The name of the schedule that this test runs."""
        return getattr(self.options(), "shape", None) or self.shape
