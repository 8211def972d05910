"""When connections are cut, and for how long: drawn by seed, so that every peer meets the same bad network.

Pure: times are seconds from the beginning of the phase.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple


class Absence(NamedTuple):
    """One client is cut at ``cut_s`` and begins to reconnect at ``back_s``."""

    client: int
    cut_s: float
    back_s: float


def jitter(clients: int, *, within_s: float, away_max_s: float, seed: int) -> Sequence[Absence]:
    """One absence of each client, sorted by the time of the cut.

    Cuts are spread over ``within_s``, and an absence takes 0 to ``away_max_s``.
    """
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    absences = []
    for client in range(clients):
        cut_s = random.uniform(0, within_s)
        absences.append(Absence(client, cut_s, cut_s + random.uniform(0, away_max_s)))
    return sorted(absences, key=lambda absence: absence.cut_s)
