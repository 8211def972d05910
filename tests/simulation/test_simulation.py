"""Edges, 50 clients, a log and a network in virtual time: nothing is lost, whatever breaks, and every run repeats."""

import time
from collections import Counter
from functools import cache
from random import SystemRandom

import pytest

from simulation.simulation import CALM_S, LAST_S, Report, Simulation

SEEDS = range(9, 13)
COVERED = {
    *("TopicOpened", "CaughtUp", "Records", "PartitionsAdded", "OffsetsLost"),
    *("ReadLog", "read Chunk", "read NoneType", "read Unreachable", "AskLogEnd", "FindOffset", "LoadRoom"),
    *("paused", "Close", "close too_slow", "close going_away", "close session_replaced", "Abort"),
    *("Joined", "resumed", "moved", "started over", "Event", "Skipped"),
    *("Receipt", "ActionRefused", "ActionInDoubt"),
}
"""All of this has to happen in the runs of the gate, or they prove little."""


@cache
def report(seed: int) -> Report:
    return Simulation(seed).run(trouble_s=120)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_is_kept_whatever_breaks(seed: int) -> None:
    assert report(seed).findings == []


def test_everything_that_can_break_has_broken() -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS:
        counts += report(seed).counts
    assert COVERED - counts.keys() == set()


def test_a_seed_decides_everything() -> None:
    first, again, other = (Simulation(seed).run(trouble_s=30, calm_s=0) for seed in (7, 7, 8))
    assert first == again
    assert first.digest != other.digest


@pytest.mark.long
def test_ten_minutes_take_less_than_six_seconds() -> None:
    """The pace is that of live matches, with trouble all the time: see `simulation.simulation`."""
    trouble_s = 600 - CALM_S - LAST_S
    simulation = Simulation(0)
    began_s = time.process_time()
    ran = simulation.run(trouble_s)
    took_s = time.process_time() - began_s
    assert ran.findings == []
    assert ran.counts["Event"] > 600 * 100
    assert took_s < 6.0


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_every_promise_is_kept_for_new_seeds_each_time(part: int) -> None:
    for _ in range(20):
        seed = SystemRandom().randrange(1 << 32)
        assert Simulation(seed).run(trouble_s=300).findings == [], f"in part {part}, with the seed {seed}"
