"""Numbers of viewers are compared with the clients that were in the rooms: any that was not true lately is found."""

import pytest

from touchline_loadtest.checks.occupancy import Count, Disturbance, Findings, Stay, check_occupancy

ROOM = "match:1"
NEVER = float("inf")
KILLED = Disturbance("kill", 20_000.0, 20_000.0, 15.0, only_high=True)
REDIS_AWAY = Disturbance("kill Redis", 20_000.0, 25_000.0, 3.0)


def stays(count: int, until_ms: float = NEVER, *, from_ms: float = 1_000.0) -> list[Stay]:
    return [Stay(ROOM, from_ms, from_ms + 100, until_ms)] * count


def told(at_s: float, viewers: int, *, complete: bool = True) -> Count:
    return Count(at_s * 1000, "edge-1 over HTTP", ROOM, viewers, complete)


def found(in_room: list[Stay], *counts: Count, after: tuple[Disturbance, ...] = ()) -> Findings:
    return check_occupancy(in_room, counts, after)


def test_a_number_that_is_true_now_has_no_lag() -> None:
    findings = found([*stays(3), *stays(2, 10_000.0)], told(5, 5), told(12, 3))
    assert (findings.compared, findings.lag_s, findings.worst) == (2, 0.0, None)


def test_the_lag_of_a_number_is_the_time_since_it_was_true() -> None:
    late = told(12.5, 5)
    findings = found([*stays(3), *stays(2, 10_000.0)], late, told(13, 3))
    assert (findings.lag_s, findings.worst) == (2.5, late)


def test_somebody_who_is_being_let_in_may_be_counted_or_not() -> None:
    joining = Stay(ROOM, 5_000.0, 9_000.0, NEVER)
    assert found([*stays(1), joining], told(8.9, 1), told(8.9, 2)).lag_s == 0
    assert found([*stays(1), joining], told(12.5, 1)).lag_s == 3.5


def test_somebody_who_was_never_let_in_may_be_counted_or_not() -> None:
    assert found([*stays(1), Stay(ROOM, 5_000.0, NEVER, 9_000.0)], told(8, 1), told(8, 2)).lag_s == 0


def test_processes_may_have_reported_at_different_times() -> None:
    left_and_came = [*stays(3), Stay(ROOM, 1_000.0, 1_100.0, 10_000.0), Stay(ROOM, 11_000.0, 11_100.0, NEVER)]
    assert found(left_and_came, told(12, 5)).lag_s == 2
    assert found(left_and_came, told(12, 3)).lag_s == 0.9


@pytest.mark.parametrize("viewers", [1, 4])
def test_a_number_that_was_never_true_is_wrong(viewers: int) -> None:
    wrong = told(40, viewers)
    findings = found(stays(3), wrong)
    assert (findings.lag_s, findings.worst) == (NEVER, wrong)


def test_a_number_of_a_room_without_anybody_is_compared_too() -> None:
    assert found([], told(5, 0)).lag_s == 0
    assert found([], told(5, 1)).lag_s == NEVER


def test_an_incomplete_number_is_wrong_unless_the_server_has_just_begun() -> None:
    begun = told(5, 3)
    assert found(stays(3), told(4, 1, complete=False), begun).compared == 1
    assert found(stays(3), begun, told(6, 3, complete=False)).lag_s == NEVER


def test_the_clients_of_a_dead_process_may_be_counted_for_a_while() -> None:
    in_room = [*stays(3), *stays(2, 20_000.0), *stays(2, from_ms=21_000.0)]
    findings = found(in_room, told(19, 5), told(24, 7), told(31, 7), told(33, 5), after=(KILLED,))
    assert findings.lag_s == 0
    assert findings.right_after_s == [11.0]


def test_after_a_death_nobody_who_is_there_may_be_left_out() -> None:
    few = told(27, 1)
    assert found(stays(3), told(19, 3), few, after=(KILLED,)).worst == few


def test_without_redis_numbers_may_be_wrong_until_it_has_been_back_for_a_while() -> None:
    in_room = [*stays(3), *stays(2, from_ms=21_000.0)]
    numbers = [told(19, 3), told(23, 5, complete=False), told(26, 3), told(27.5, 3, complete=False), told(28, 5)]
    findings = found(in_room, *numbers, after=(REDIS_AWAY,))
    assert findings.lag_s == 0
    assert findings.right_after_s == [2.5]


def test_each_wrong_number_belongs_to_the_last_disturbance_before_it() -> None:
    second = KILLED._replace(at_ms=60_000.0, from_ms=60_000.0)
    findings = found([*stays(1, 20_000.0)], told(19, 1), told(26, 1), told(64, 1), after=(KILLED, second))
    assert findings.right_after_s == [6.0, 4.0]
