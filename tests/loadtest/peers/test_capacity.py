"""The search for the highest load, against a server that is simulated by a number."""

import pytest

from touchline_loadtest.peers.fan_out.capacity import Search


def tried(capacity: float, first: float = 50, most: float = 3200) -> tuple[float | None, list[float]]:
    search, loads = Search(first, most), []
    for load in search.loads():
        loads.append(load)
        search.report(load, passed=load <= capacity)
    return search.best, loads


@pytest.mark.parametrize("capacity", [50, 51, 99, 100, 333, 1000, 3199])
def test_the_best_load_is_within_a_quarter_of_the_capacity(capacity: float) -> None:
    best, loads = tried(capacity)
    assert best is not None
    assert best <= capacity <= best * 1.25 + 1e-9
    assert len(loads) <= 9


def test_the_search_ends_at_the_most() -> None:
    assert tried(5000) == (3200, [50, 100, 200, 400, 800, 1600, 3200])


def test_lower_loads_are_tried_if_the_first_fails() -> None:
    assert tried(20) == (21.875 - 3.125, [50, 25, 12.5, 18.75, 21.875])
    assert tried(1) == (None, [50, 25, 12.5, 6.25])
