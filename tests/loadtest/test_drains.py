"""What a load test says about edges that drained, by what clients recorded."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.checks.closes import Cause, Close, Opening
from touchline_loadtest.checks.drains import CLIENTS_MIN, Drain, drains
from touchline_loadtest.rig.results.drain_results import drain_rows, drain_samples
from touchline_loadtest.runs.history.told import read_told
from touchline_loadtest.runs.history.trace_writer import TraceWriter

DRAIN = Cause("edge_drained", 1_000, 9_000, edge="edge-1")


def away(client: str, left_ms: float, back_ms: float, edge: str = "edge-1") -> tuple[Close, Opening]:
    """A client that was sent away and came back."""
    return Close(client, 1000, left_ms, edge, sent_away=True), Opening(client, back_ms, "edge-2")


def only(closes: list[Close], openings: list[Opening]) -> Drain:
    """The drain that these clients saw."""
    (drain,) = drains([Cause("edge_killed", 0, 500), DRAIN], openings, closes)
    return drain


@given(st.integers(CLIENTS_MIN, 300), st.integers(2_000, 8_000))
def test_clients_that_leave_evenly_fill_each_tenth_of_the_time(clients: int, drain_ms: int) -> None:
    moves = [away(f"c{n}", 1_000 + n * drain_ms / clients, 1_010 + n * drain_ms / clients) for n in range(clients)]
    drain = only([close for close, _ in moves], [opening for _, opening in moves])
    assert len(drain.left_ms) == clients
    assert 0.1 <= drain.largest_share <= 0.1 + 2 / clients
    assert drain.away_ms == pytest.approx([10] * clients)
    assert all(row.met in (True, None) for row in drain_rows([drain]))


def test_clients_that_leave_together_are_found() -> None:
    moves = [away(f"c{n}", 2_000 if n else 8_000, 8_100) for n in range(CLIENTS_MIN)]
    drain = only([close for close, _ in moves], [opening for _, opening in moves])
    assert drain.largest_share == 1 - 1 / CLIENTS_MIN
    assert [row.met for row in drain_rows([drain])].count(False) == 1


def test_a_client_that_came_back_to_an_edge_that_drains_is_found() -> None:
    first, again = away("c", 2_000, 2_100), away("c", 3_000, 3_100)
    drain = only([first[0], again[0]], [first[1], again[1]])
    assert drain.twice == {"c"}
    assert not drain.refused
    assert len(drain.left_ms) == 1
    assert False in [row.met for row in drain_rows([drain])]


def test_a_client_whose_attempt_to_come_back_failed_is_found() -> None:
    close, opening = away("c", 2_000, 2_500)
    drain = only([close, Close("c", 503, 2_100), Close("d", 1006, 2_200)], [opening])
    assert drain.refused == {"c"}
    assert not drain.gone
    assert drain.away_ms == [500]
    late = only([close, Close("c", 1006, 2_600)], [opening])
    assert late.refused == frozenset(), "that was another connection, after it was back"


def test_others_do_not_count() -> None:
    elsewhere = away("a", 2_000, 2_100)[0]._replace(edge="edge-2")
    by_itself = Close("b", 1000, 2_000, "edge-1")
    before = away("c", 500, 600)[0]
    drain = only([elsewhere, by_itself, before], [])
    assert not drain.left_ms
    assert not drain.gone
    assert drain.largest_share == 0
    stays = only([Close("d", 1001, 3_000, "edge-1")], [])
    assert list(stays.left_ms) == [3_000]
    assert stays.gone == {"d"}


def test_the_chart_has_every_client() -> None:
    moves = [away(f"c{n}", 1_000 + 70 * n, 1_100 + 70 * n) for n in range(20)]
    drain = only([close for close, _ in moves], [opening for _, opening in moves])
    samples = drain_samples([drain])
    assert sum(sample.value * 0.2 for sample in samples) == pytest.approx(20)
    assert [samples[0].value, samples[-1].value] == [0, 0]
    assert {sample.labels["edge"] for sample in samples} == {"edge-1"}


def test_what_clients_record_is_read_again(tmp_path: Path) -> None:
    close, opening = away("c", 2_000, 2_100)
    with TraceWriter(tmp_path) as writer:
        writer.cause(DRAIN)
        writer.closed(close)
        writer.opened(opening)
    told = read_told(tmp_path)
    found = drains(told.causes, told.openings, told.closes)
    assert found == drains([DRAIN], [opening], [close])
    assert found[0].left_ms == [2_000]
