"""What a load test was asked to do. Pure."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import msgspec

from touchline_loadtest.locust.shapes.choice import schedule_named
from touchline_loadtest.locust.shapes.schedule import CueKind, Schedule
from touchline_loadtest.locust.shapes.schedules import KICK_OFF_S, avalanche, kick_off
from touchline_loadtest.runs.thresholds import Threshold
from touchline_protocol.errors import OperatorError
from touchline_protocol.printable import counted

EDGES_MAX = 16
PROCESSES_MAX = 64
SPEED_MAX = 1_000.0
FILES_PER_USER = 2
"""A user of the relay takes two: one to it, and one from it. The relay's process therefore needs this many."""
SWARM_MIN = 50
"""The sample of a swarm has that many, and more where there are many rooms."""
SWARM_ENDS_S = 5.0
"""The swarm's clients leave earlier than Locust's users, since events have to go on until all have been counted."""
SWARM_KICK_OFF_S = KICK_OFF_S + 2 * SWARM_ENDS_S
"""A swarm that takes part in a kick-off needs a test of this length, to be there for a while once all have arrived."""
FILES_BESIDES = 2_000
"""Files for everything but users: Kafka's connections, logs, libraries, and clients that come before others left."""
LONGEST_S = 86_400.0
"""A day."""
FLEET_S = 120.0
"""The shape `fleet-faults` needs this long: most of its faults take 10 s to heal, and the last one 25 s."""
BROKERS = (1, 3)
"""A cluster of two could not lose any."""
KEEPERS_MAX = 16
DRAIN_S_MAX = 30.0
"""An edge that has not ended 11 s after its drain is killed, after 45 s in all."""
WORKERS_MAX = 16
ENDING = frozenset({CueKind.CUT, CueKind.DRAIN, CueKind.KILL, CueKind.KILL_WORKER})
"""Cues that end connections."""
LOG_ENDING = frozenset({CueKind.KILL_BROKER, CueKind.KILL_KAFKA})
"""Cues that keep events and answers away for a while."""
SHORTEST_S = 3.0
"""In less, not even the arrival of the users would be over."""


class LoadTest(msgspec.Struct, frozen=True, kw_only=True):
    """One load test. ``kafka`` is the address of a running broker, None to start one.

    ``brokers`` is the number of those to start. ``workers`` are the processes of each edge. With ``keepers``, which
    write the state of rooms to it, there is a Redis, and edges share presence and players in it too. An edge that stops
    spreads its clients over ``drain_s``; None leaves that to the edge.

    ``swarm`` clients, in ``swarm_processes``, receive and count besides the ``users``. ``processes`` is the number of
    Locust's worker processes; 1 needs no master. ``web_port`` is None for a test without the web page, which begins at
    once and ends by itself. ``locust`` has more options for Locust. ``matches`` are played at ``speed`` times their
    pace.
    """

    folder: Path
    shape: str = "goal"
    users: int = 200
    seconds: float = 60.0
    processes: int = 1
    edges: int = 1
    workers: int = 1
    brokers: int = 1
    keepers: int = 0
    drain_s: float | None = None
    matches: int = 50
    speed: float = 4.0
    seed: int = 1
    kafka: str | None = None
    web_port: int | None = None
    fail_above: Sequence[Threshold] = ()
    swarm: int = 0
    swarm_processes: int = 1
    locust: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check what can be checked without looking at the machine.

        Raises:
            OperatorError: a setting has no meaning, with its name and its value.
        """
        schedule_named(self.shape)
        _within("--users", self.users, 1, 1_000_000)
        _within("--processes", self.processes, 1, PROCESSES_MAX)
        _within("--edges", self.edges, 1, EDGES_MAX)
        _within("--workers", self.workers, 1, WORKERS_MAX)
        _within("--keepers", self.keepers, 0, KEEPERS_MAX)
        if self.drain_s is not None and not 0 <= self.drain_s <= DRAIN_S_MAX:
            raise OperatorError(f"--drain-seconds is {self.drain_s:g}, but has to be from 0 to {DRAIN_S_MAX:g}")
        _within("--matches", self.matches, 1, 10_000)
        self._check_servers()
        if self.swarm:
            self._check_swarm()
        if not SHORTEST_S <= self.seconds <= LONGEST_S:
            raise OperatorError(
                f"--seconds is {self.seconds:g}, but a test takes at least {SHORTEST_S:g} and at most {LONGEST_S:,.0f}"
            )
        if not 0 < self.speed <= SPEED_MAX:
            raise OperatorError(f"--speed is {self.speed:g}, but has to be above 0 and at most {SPEED_MAX:g}")

    def _check_servers(self) -> None:
        if self.brokers not in BROKERS:
            raise OperatorError(f"--brokers is {self.brokers}, but has to be {' or '.join(map(str, BROKERS))}")
        if self.kafka is not None and self.brokers > 1:
            raise OperatorError("--brokers is for brokers that the load test starts, but --kafka names running ones")
        needed = {
            CueKind.KILL_WORKER: (self.workers > 1, "--workers 2"),
            CueKind.KILL_KEEPER: (self.keepers > 1, "--keepers 2"),
            CueKind.KILL_BROKER: (self.brokers > 1, "--brokers 3"),
            CueKind.NEWCOMERS: (self.seconds >= FLEET_S, f"--seconds {FLEET_S:g}"),
        }
        missing = [option for kind, (given, option) in needed.items() if kind in self.cues and not given]
        if missing:
            raise OperatorError(f"--shape {self.shape} needs {', '.join(missing)} or more")

    def _check_swarm(self) -> None:
        _within("--swarm", self.swarm, SWARM_MIN, 1_000_000)
        _within("--swarm-processes", self.swarm_processes, 1, PROCESSES_MAX)
        if self.cues & ENDING:
            raise OperatorError(f"--swarm does not go with --shape {self.shape}: the swarm's clients do not come back")
        if schedule_named(self.shape) is kick_off and self.seconds < SWARM_KICK_OFF_S:
            raise OperatorError(
                f"--seconds is {self.seconds:g}, but --swarm with --shape kick-off takes at least {SWARM_KICK_OFF_S:g}"
            )

    @property
    def schedule(self) -> Schedule:
        """The shape's, for this number of users and this length."""
        return schedule_named(self.shape)(self.users, self.seconds)

    @property
    def cues(self) -> Set[CueKind]:
        """What happens to everybody at once."""
        return {cue.kind for cue in self.schedule.cues}

    @property
    def relayed(self) -> bool:
        """Whether users connect through a relay, which spreads them over the edges and can cut their connections."""
        return self.edges > 1 or schedule_named(self.shape) is avalanche

    @property
    def files(self) -> int:
        """Open files that the process with the most of them needs."""
        return (self.users + self.swarm) * (FILES_PER_USER if self.relayed else 1) + FILES_BESIDES

    def facts(self) -> Mapping[str, str | int | float | bool | None]:
        """The settings for the run folder."""
        return {
            "shape": self.shape,
            "users": self.users,
            "seconds": self.seconds,
            "locust processes": self.processes,
            "swarm": self.swarm,
            "edges": self.edges,
            "workers of each edge": self.workers,
            "keepers": self.keepers,
            "drain s": "auto" if self.drain_s is None else self.drain_s,
            "redis": "own server" if self.keepers else "none",
            "relay": self.relayed,
            "matches": self.matches,
            "speed": self.speed,
            "seed": self.seed,
            "kafka": self.kafka or counted(self.brokers, "own broker"),
            "locust options": " ".join(self.locust) or "none",
        }


def _within(option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise OperatorError(f"{option} is {value}, but has to be from {least} to {most:,}")
