"""A schedule: the number of users over time, and the cues. Pure.

All times are seconds since the start of the test.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple


class CueKind(StrEnum):
    """What happens to everybody at once."""

    GOAL = "goal"
    """Players act."""
    LEAVE = "leave"
    """Users close their connections, and stay away until `RETURN`."""
    RETURN = "return"
    """Users who left come back with their cursors."""
    DRAIN = "drain"
    """An edge is shut down."""
    KILL = "kill"
    """An edge dies, with all of its workers."""
    KILL_WORKER = "kill a worker"
    """One process of an edge that has several dies."""
    KILL_KEEPER = "kill a keeper"
    """A keeper dies."""
    KILL_REDIS = "kill Redis"
    """Redis dies, and comes back with its data."""
    EMPTY_REDIS = "empty Redis"
    """Redis dies, and comes back without any data."""
    KILL_BROKER = "kill a broker"
    """A broker of the cluster dies that leads partitions."""
    KILL_KAFKA = "kill Kafka"
    """All brokers die, and come back."""
    NEWCOMERS = "newcomers"
    """Clients join all rooms at each edge, without cursors."""
    CUT = "cut"
    """All connections break without a closing handshake."""


OPERATORS = frozenset(
    {
        CueKind.DRAIN,
        CueKind.KILL,
        CueKind.KILL_WORKER,
        CueKind.KILL_KEEPER,
        CueKind.KILL_REDIS,
        CueKind.EMPTY_REDIS,
        CueKind.KILL_BROKER,
        CueKind.KILL_KAFKA,
        CueKind.NEWCOMERS,
    }
)
"""What the operator of the servers does. Users are not told: they have to notice by themselves."""

CUT_BY_USERS, CUT_BY_NETWORK = CUT_BY = ("users", "network")
"""How `CueKind.CUT` happens: users break their own connections, or something between them and the servers does."""


class Cue(NamedTuple):
    """It affects a ``share`` of the users (0 to 1), each at a random time within ``within_s``."""

    at_s: float
    kind: CueKind
    share: float = 1.0
    within_s: float = 0.0


class Step(NamedTuple):
    """From ``at_s`` on, users arrive or leave at ``per_s`` a second until there are ``users``."""

    at_s: float
    users: int
    per_s: float


class Schedule(NamedTuple):
    """A whole test. ``steps``, which begin at 0, and ``cues`` are in the order of time."""

    seconds: float
    steps: Sequence[Step]
    cues: Sequence[Cue] = ()

    def step(self, elapsed_s: float) -> Step | None:
        """The step that applies now; None once the test is over."""
        if elapsed_s >= self.seconds:
            return None
        return [step for step in self.steps if step.at_s <= elapsed_s][-1]

    def cues_between(self, after_s: float, until_s: float) -> Iterable[Cue]:
        """The cues after ``after_s``, up to and including ``until_s``."""
        return [cue for cue in self.cues if after_s < cue.at_s <= until_s]
