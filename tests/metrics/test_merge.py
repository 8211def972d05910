"""The metrics of several processes together: what adds up, what does not, and what stays when a process ends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_server.metrics.merge import WorkerTotals, summed
from touchline_server.metrics.metric import Kind, Metric, Over
from touchline_server.metrics.snapshot import Sample, Snapshot

METRICS: dict[str, Metric[Any]] = {
    metric.name: metric
    for metric in (
        Metric[Any]("written_total", Kind.COUNTER, "", lambda _: (), ("code",)),
        Metric[Any]("took_seconds", Kind.HISTOGRAM, "", lambda _: (), bounds=(1.0, 2.0)),
        Metric[Any]("clients", Kind.GAUGE, "", lambda _: ()),
        Metric[Any]("lag", Kind.GAUGE, "", lambda _: (), over=Over.MAX),
        Metric[Any]("up", Kind.GAUGE, "", lambda _: (), over=Over.MIN),
    )
}


def counted(count: float, code: str = "a") -> Snapshot:
    return {"written_total": [Sample((code,), count)]}


def total(snapshot: Snapshot) -> float:
    return sum(sample.value for sample in snapshot["written_total"])


def test_counters_and_histograms_add_up_by_label() -> None:
    first = counted(2) | {"took_seconds": [Sample((), 4.5, [1, 2, 0])]}
    second = counted(3) | {"took_seconds": [Sample((), 1.5, [0, 1, 1])]}
    both = summed(METRICS, [first, second, counted(1, "b")])
    assert both["written_total"] == [Sample(("a",), 5), Sample(("b",), 1)]
    assert both["took_seconds"] == [Sample((), 6.0, [1, 3, 1])]


@pytest.mark.parametrize(("name", "value"), [("clients", 7), ("lag", 5), ("up", 2)])
def test_gauges_are_summed_or_the_largest_or_the_smallest(name: str, value: int) -> None:
    every = [{name: [Sample((), 5)]}, {name: [Sample((), 2)]}]
    assert summed(METRICS, every) == {name: [Sample((), value)]}


def test_what_only_one_process_has_is_as_it_has_it() -> None:
    assert summed(METRICS, [{"lag": [Sample((), 3)]}, counted(1)]) == {"lag": [Sample((), 3)], **counted(1)}


def test_a_worker_without_an_answer_keeps_its_counters_and_has_no_gauges() -> None:
    totals = WorkerTotals(METRICS.values())
    assert totals.without_answer("one") == {}
    totals.answered("one", counted(2) | {"clients": [Sample((), 9)]})
    assert totals.without_answer("one") == counted(2)
    totals.ended("one")
    assert totals.without_answer("one") == counted(2)
    assert totals.answered("one", counted(1) | {"clients": [Sample((), 1)]}) == counted(3) | {
        "clients": [Sample((), 1)]
    }


@given(st.lists(st.one_of(st.just("ended"), st.just("silent"), st.integers(0, 5))))
def test_a_counter_never_goes_down_whatever_becomes_of_its_processes(steps: list[int | str]) -> None:
    totals = WorkerTotals(METRICS.values())
    now, lost, seen = 0, 0, 0.0
    for step in steps:
        if step == "ended":
            totals.ended("one")
            now, lost = 0, lost + now
        elif step == "silent":
            found = totals.without_answer("one")
            assert not found or total(found) >= seen
        else:
            now += int(step)
            shown = total(totals.answered("one", counted(now)))
            assert seen <= shown <= lost + now
            seen = shown
