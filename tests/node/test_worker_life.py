"""A worker's life: when its next process starts, and when a process counts as hung."""

from itertools import pairwise

import pytest

from touchline_server.config.settings import Settings
from touchline_server.node.supervisor.lifecycle import (
    BACKOFF_S_MAX,
    BACKOFF_S_MIN,
    FIRST_SIGN_S,
    LIVED_S,
    SILENT_S_MAX,
    WorkerLife,
    WorkerState,
)
from touchline_server.node.supervisor.worker import BEAT_EVERY_S

HANG_S = 10.0


def serving(now_s: float = 0.0) -> WorkerLife:
    life = WorkerLife(HANG_S, now_s)
    life.spawned(now_s)
    life.heard(now_s)
    life.served(now_s)
    return life


def test_the_first_process_starts_at_once() -> None:
    assert WorkerLife(HANG_S, 100.0).is_due(100.0)


def test_each_process_that_fails_makes_the_wait_for_the_next_one_twice_as_long_up_to_a_bound() -> None:
    life, now_s, waits = WorkerLife(HANG_S, 0.0), 0.0, []
    for _ in range(12):
        life.spawned(now_s)
        wait_s = life.ended(now_s)
        assert wait_s is not None
        assert not life.is_due(now_s + wait_s - 0.01)
        now_s += wait_s
        assert life.is_due(now_s)
        waits.append(wait_s)
    assert waits[0] == BACKOFF_S_MIN
    assert waits[-1] == BACKOFF_S_MAX
    assert all(later == min(2 * wait, BACKOFF_S_MAX) for wait, later in pairwise(waits))


@pytest.mark.parametrize(("lived_s", "again_s"), [(LIVED_S, BACKOFF_S_MIN), (LIVED_S - 1, 2 * BACKOFF_S_MIN)])
def test_a_process_that_served_for_a_while_makes_the_next_wait_short_again(lived_s: float, again_s: float) -> None:
    life = serving()
    assert life.ended(1.0) == BACKOFF_S_MIN
    life.spawned(2.0)
    life.served(3.0)
    assert life.ended(3.0 + lived_s) == again_s


def test_a_long_start_is_not_a_long_life() -> None:
    life = WorkerLife(HANG_S, 0.0)
    life.spawned(0.0)
    life.ended(LIVED_S * 2)
    life.spawned(200.0)
    assert life.ended(200.0 + LIVED_S * 2) == 2 * BACKOFF_S_MIN


def test_a_process_that_falls_silent_hangs() -> None:
    life = serving()
    life.heard(5.0)
    assert not life.is_hung(5.0 + HANG_S)
    assert life.is_hung(5.1 + HANG_S)
    life.ended(16.0)
    assert not life.is_hung(100.0)


@pytest.mark.parametrize(("hang_s", "silent_s"), [(2.0, 1.0), (4.0, 2.0), (6.0, SILENT_S_MAX), (60.0, SILENT_S_MAX)])
def test_a_process_that_falls_silent_is_not_ready_long_before_it_is_killed(hang_s: float, silent_s: float) -> None:
    life = serving()
    life.hang_s = hang_s
    assert not life.is_silent(silent_s)
    assert life.is_silent(silent_s + 0.01)
    assert not life.is_hung(silent_s + 0.01)


def test_a_process_is_only_missed_once_it_serves() -> None:
    life = WorkerLife(HANG_S, 0.0)
    life.spawned(0.0)
    life.heard(1.0)
    assert not life.is_silent(HANG_S)


def test_the_shortest_time_to_a_hang_is_several_signs_of_life() -> None:
    with pytest.raises(ValueError, match="worker_hang_s"):
        Settings(worker_hang_s=1.9)
    life = serving()
    life.hang_s = Settings(worker_hang_s=2).worker_hang_s
    assert not life.is_silent(1.9 * BEAT_EVERY_S)


def test_a_process_may_take_longer_for_its_first_sign() -> None:
    life = WorkerLife(HANG_S, 0.0)
    life.spawned(0.0)
    assert not life.is_hung(FIRST_SIGN_S)
    assert life.is_hung(FIRST_SIGN_S + 1)
    life.heard(1.0)
    assert life.is_hung(1.1 + HANG_S)


def test_silence_is_not_held_against_a_process_if_nobody_listened() -> None:
    life = serving()
    life.forgive(100.0)
    assert not life.is_hung(100.0 + HANG_S)
    assert life.is_hung(100.1 + HANG_S)


def test_a_process_that_drains_can_hang_too() -> None:
    life = serving()
    life.stop()
    assert life.is_hung(HANG_S + 1)


def test_a_worker_that_stops_is_not_replaced() -> None:
    life = serving()
    life.stop()
    life.served(1.0)  # it had said so before it was asked to stop
    assert life.ended(2.0) is None
    assert life.state is WorkerState.STOPPED
    assert not life.is_due(1000.0)


def test_a_worker_that_waits_for_its_next_process_stops_at_once() -> None:
    life = serving()
    life.ended(1.0)
    life.stop()
    assert life.state is WorkerState.STOPPED


def test_it_is_known_whether_a_worker_ever_served() -> None:
    life = WorkerLife(HANG_S, 0.0)
    life.spawned(0.0)
    life.ended(1.0)
    assert not life.has_served
    life.spawned(2.0)
    life.served(3.0)
    life.ended(4.0)
    life.spawned(5.0)
    assert life.has_served


def test_a_process_that_drained_is_replaced_at_once_and_counts_as_well() -> None:
    life = serving()
    life.drain()
    assert life.state is WorkerState.DRAINING
    assert not life.is_due(5.0)
    assert life.ended(5.0) == 0.0
    assert life.is_due(5.0)
    life.spawned(5.0)
    assert life.ended(5.0) == BACKOFF_S_MIN


def test_a_process_that_drains_is_stopped_for_good_with_the_server_and_killed_if_it_hangs() -> None:
    life = serving()
    life.drain()
    assert life.is_hung(HANG_S + 1)
    life.stop()
    assert life.ended(HANG_S + 1) is None
