"""What the charts of a run show."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.report.charts import LINES_MAX, POINTS_MAX, Chart
from touchline_loadtest.report.of_results import bound_used
from touchline_loadtest.report.page import charts
from touchline_loadtest.report.run import Run
from touchline_loadtest.report.verdict import verdict
from touchline_loadtest.runs.records import Breach, Mark, RunInfo, Sample, SummaryRow
from touchline_loadtest.runs.series import quantile_samples, sample

BEGAN_MS = 1_800_000_000_000.0
INFO = RunInfo("A run", "swarm", BEGAN_MS, BEGAN_MS + 60_000)


def at(seconds: float) -> float:
    return BEGAN_MS + seconds * 1000


def charts_of(*writers: list[Sample], info: RunInfo = INFO) -> dict[str, Chart]:
    return {chart.id: chart for chart in charts(Run(info, writers))}


def test_quantiles_are_lines_in_their_order_on_a_logarithmic_axis() -> None:
    chart = charts_of(quantile_samples(at(1), "event_latency", [1.0, 2.0, 300.0]))["event-latency"]
    assert [line.name for line in chart.lines] == ["p50", "p90", "p99", "p99.9", "max"]
    assert chart.lines[0].y == [2.0]
    assert chart.log


def test_a_latency_of_zero_cannot_be_on_a_logarithmic_axis() -> None:
    chart = charts_of(quantile_samples(at(1), "event_latency", [0.0, 2.0]))["event-latency"]
    assert not chart.log


def test_each_class_of_clients_has_a_chart_of_its_latencies() -> None:
    found = charts_of(
        quantile_samples(at(1), "event_latency", [1.0], user="Fan"),
        quantile_samples(at(1), "event_latency", [9.0], user="SlowFan"),
    )
    assert {name: chart.lines[0].y for name, chart in found.items()} == {
        "event-latency-fan": [1.0],
        "event-latency-slowfan": [9.0],
    }


def test_deliveries_of_several_processes_are_one_sum() -> None:
    workers = [[sample(at(second), "deliveries", 100.0, process=f"worker {n}") for second in range(9)] for n in (1, 2)]
    chart = charts_of(*workers)["deliveries"]
    assert [set(line.y) for line in chart.lines] == [{200.0}]


def test_a_process_has_one_colour_in_all_charts() -> None:
    samples = [sample(at(1), series, 1.0, process=name) for name in ("edge 2", "kafka") for series in ("cpu", "memory")]
    found = charts_of([*samples, sample(at(2), "open_files", 3, process="kafka")])
    colours = [{line.name: line.colour for line in found[name].lines} for name in ("cpu", "memory", "open-files")]
    assert colours[0] == colours[1]
    assert colours[2] == {"kafka": colours[0]["kafka"]}
    assert colours[0]["kafka"] != colours[0]["edge 2"]


def test_a_series_of_another_name_has_a_chart_too() -> None:
    chart = charts_of([Sample(at(1), "rooms_open", 5.0, "rooms", {"topic": "football"})])["rooms-open"]
    assert (chart.title, chart.y_title, chart.lines[0].name) == ("Rooms open", "rooms", "football")


@pytest.mark.parametrize(("seconds", "unit", "x"), [(60, "s", 60), (600, "min", 10), (36_000, "h", 10)])
def test_time_is_in_a_unit_that_suits_the_length_of_the_run(seconds: int, unit: str, x: float) -> None:
    info = msgspec.structs.replace(INFO, ended_ms=at(seconds))
    chart = charts_of([sample(at(second), "log_lag", 0) for second in (0, seconds)], info=info)["log-lag"]
    assert f"({unit})" in chart.x_title
    assert chart.lines[0].x == [0, x]


def test_a_run_that_was_killed_lasts_until_its_last_sample() -> None:
    info = msgspec.structs.replace(INFO, ended_ms=None)
    chart = charts_of([sample(at(second), "log_lag", 0) for second in (0, 600)], info=info)["log-lag"]
    assert chart.lines[0].x == [0, 10]


def test_charts_begin_and_end_with_the_load() -> None:
    long = RunInfo("A run", "locust", BEGAN_MS, at(4_000))  # a slow start, and a long log to read at the end
    marks = [Mark(at(61), "kick-off", end_ms=at(95))]
    run = Run(long, [[sample(at(second), "cpu", 1.0, process="edge 1") for second in range(60, 91)]], marks)
    [chart] = charts(run)
    assert chart.lines[0].x == [*range(31)]
    assert "(s)" in chart.x_title
    assert run.load_ms == (at(60), at(95))


def test_a_bound_that_is_not_judged_is_not_in_the_chart_of_bounds() -> None:
    rows = [SummaryRow("p99", 9.0, "ms", "<= 5"), SummaryRow("p50", 1.0, "ms", "<= 5", met=True)]
    [chart] = charts(Run(msgspec.structs.replace(INFO, summary=rows)))
    assert [line.x for line in chart.lines] == [["p50"]]


def test_too_many_lines_leave_those_with_the_highest_peaks() -> None:
    samples = [sample(at(1), "cpu", number, process=f"process {number:02}") for number in range(LINES_MAX + 5)]
    chart = charts_of(samples)["cpu"]
    assert chart.omitted == 5
    assert [line.name for line in chart.lines] == [f"process {number:02}" for number in range(5, LINES_MAX + 5)]


def test_a_long_run_has_few_points() -> None:
    samples = [sample(at(second), "log_lag", 7.0 if second == 3_333 else second % 3) for second in range(10_000)]
    (line,) = charts_of(samples)["log-lag"].lines
    assert len(line.x) <= POINTS_MAX
    assert max(value for value in line.y if value is not None) == 7


@given(st.lists(st.sampled_from(["a b", "a-b", "a b-1", "A B", "", "?"]), max_size=8, unique=True))
def test_each_chart_has_a_name_of_its_own(names: list[str]) -> None:
    found = charts(Run(INFO, [[Sample(at(1), name, 1.0) for name in names]]))
    assert len({chart.id for chart in found}) == len(names)


@pytest.mark.parametrize(
    ("bound", "measured", "used"),
    [
        ("<= 50", 25.0, 50),
        (">= 10,000", 40_000.0, 25),
        ("<= 0.5", 1.0, 200),
        ("= 0", 0.0, None),
        ("", 1.0, None),
        ("<= 50", "not installed", None),
        (">= 5", 0.0, None),
        ("<= 1.2.3", 1.0, None),
    ],
)
def test_how_much_of_a_bound_is_used(bound: str, measured: float | str, used: float | None) -> None:
    assert bound_used(SummaryRow("x", measured, bound=bound, met=True)) == used


PEERS = [
    SummaryRow("p99", 3.0, "ms", group="touchline"),
    SummaryRow("p99", 9.0, "ms", group="nchan"),
    SummaryRow("not measured", "not installed", group="centrifugo"),
    SummaryRow("joins", 3000, "/s", group="touchline"),
    SummaryRow("lost", 0, group="touchline"),
    SummaryRow("lost", 0, group="nchan"),
]


def test_peers_are_compared_number_by_number_before_anything_else() -> None:
    info = RunInfo("Peers", "peers", BEGAN_MS, summary=PEERS)
    run = Run(info, [[sample(at(1), "cpu", 1.0, process=name) for name in ("another", "nchan")]])
    compared, over_time = charts(run)
    assert [(line.name, line.y) for line in compared.lines] == [("touchline", [3.0]), ("nchan", [9.0])]
    # A peer is a group of results and a process: its colour is the same.
    assert compared.lines[1].colour == over_time.lines[1].colour != over_time.lines[0].colour
    assert charts(Run(msgspec.structs.replace(info, kind="bench"))) == []


@pytest.mark.parametrize(
    ("met", "breaches", "ended_ms", "outcome", "named"),
    [
        ([True, None, True], 0, 1.0, "passed", "2"),
        ([True, False], 0, 1.0, "failed", "1 of 2"),
        ([True], 3, 1.0, "failed", "3"),
        ([False], 0, None, "failed", "1 of 1"),
        ([True], 0, None, "unfinished", ""),
        ([None], 0, 1.0, "measured", ""),
    ],
)
def test_the_verdict(met: list[bool | None], breaches: int, ended_ms: float | None, outcome: str, named: str) -> None:
    rows = [SummaryRow("x", 1.0, met=each) for each in met]
    info = RunInfo("A run", "swarm", BEGAN_MS, ended_ms, summary=rows)
    judged = verdict(Run(info, breaches=[Breach("gap", "fan 1", "")] * breaches))
    assert judged.outcome == outcome
    assert named in judged.text
