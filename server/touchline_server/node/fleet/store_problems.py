"""What operators read while the stores of a fleet do not answer. Pure.

Rule: one outage has one reason, under `REDIS`. Each part that needs Redis says what it does meanwhile, and repeats the
reason only if Redis answers everybody else: then it concerns this part alone.
"""

from collections.abc import Mapping
from typing import Final, Protocol

REDIS: Final = "redis"
"""The subject of a Redis that does not answer, or refuses."""
PLAYERS: Final = "players"
"""The subject of a player store that does not answer."""
PRESENCE: Final = "presence"
"""The subject of a presence store that does not answer."""

APART = "players' limits and sessions are those of this process alone"
STALE = "viewers and members at other processes are shown as they were"
WAITING = "records of presence wait in Redis"


class RecordsProblem(Protocol):
    """What is wrong with the records of presence."""

    @property
    def topic(self) -> str:
        """Where they are written to."""

    @property
    def problem(self) -> str | None:
        """Why they are not written; None if they are."""

    @property
    def outbox_problem(self) -> str | None:
        """The same, if it is because the store does not hand them over."""


def store_problems(
    shared: Mapping[str, str], *, players: str | None, presence: str | None, records: RecordsProblem | None
) -> Mapping[str, str]:
    """The problems by subject. ``shared`` are those of the database as a whole, the others say why a part failed."""
    reasons = {PLAYERS: (APART, players), PRESENCE: (STALE, presence)}
    others: dict[str, str] = {}
    if records is not None and records.outbox_problem is not None:
        reasons[records.topic] = (WAITING, records.outbox_problem)
    elif records is not None and records.problem is not None:
        others[records.topic] = records.problem
    known = REDIS in shared
    for subject, (meaning, why) in reasons.items():
        if why is not None:
            others[subject] = f"{meaning}, see {REDIS}" if known else f"{meaning}: {why}"
    return {**shared, **others}
