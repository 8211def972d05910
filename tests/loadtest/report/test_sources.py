"""What a report can be made from, and what is said about other things."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.example_run import INFO, SECONDS, write_example
from touchline_loadtest.measure.bench import ServerCommand
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.results import Bound, Result, Row, write_json
from touchline_loadtest.report.page import charts
from touchline_loadtest.report.sources.load import load
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.writer import RunWriter

HEAD = "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%\n"
ROWS = (
    "1800000000,5,,Aggregated,0.00,0.00,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A\n"
    "1800000001,10,GET,/rooms,20.0,0.5,3,4,5,6,7,8,9,11,22,22,33\n"
    "1800000001,10,,Aggregated,20.0,0.5,3,4,5,6,7,8,9,11,22,22,33\n"
)

LOCUSTFILE = """
from locust import User, constant, task

class Fan(User):
    wait_time = constant(0.1)

    @task
    def join(self):
        fire = self.environment.events.request.fire
        fire(request_type="WS", name="join", response_time=12, response_length=1, exception=None, context={})
        fire(request_type="WS", name="leave", response_time=1, response_length=1, exception=OSError(), context={})
"""


def test_a_run_folder_with_the_files_of_several_processes(tmp_path: Path) -> None:
    run = load(write_example(tmp_path / "run"))
    assert len(run.samples) == 3
    assert (run.info.name, len(run.marks), len(run.breaches)) == (INFO.name, 6, 2)
    found = {chart.id: chart for chart in charts(run)}
    (deliveries,) = found["deliveries"].lines
    # Two processes with 5,000 clients each, and 50 events/s.
    assert deliveries.y[SECONDS // 3] == pytest.approx(500_000, rel=0.05)
    assert load(tmp_path / "run" / "run.json") == run


def test_the_json_of_bench(tmp_path: Path) -> None:
    rows = [
        Row("joins/s", 3101.0, "/s", Bound(">=", 3000)),
        Row("p99", 70.0, "ms", Bound("<=", 50)),
        Row("p50", 3, "ms"),
    ]
    path = tmp_path / "benchmarks.json"
    write_json([Result("joins", rows, {"clients": 10}, ["one stall"])], path, Cores(0, 1), ServerCommand("python3"))
    run = load(path)
    assert [(row.group, row.what, row.met) for row in run.info.summary] == [
        ("joins", "joins/s", True),
        ("joins", "p99", False),
        ("joins", "p50", None),
    ]
    assert list(run.info.notes) == ["joins: one stall"]
    (chart,) = charts(run)
    assert {line.name: line.y for line in chart.lines} == {"met": [96.74], "not met": [140.0]}


def test_locust_s_own_files(tmp_path: Path) -> None:
    (tmp_path / "evening_stats_history.csv").write_text(HEAD + ROWS)
    (tmp_path / "evening_stats.csv").write_text(
        "Type,Name,Request Count,Failure Count,Requests/s,Failures/s,50%,99%,99.9%\n"
        ",Aggregated,900,4,20.0,0.5,3,11,22\n"
    )
    (tmp_path / "evening_failures.csv").write_text("Method,Name,Error,Occurrences\nGET,/rooms,refused,4\n")
    run = load(tmp_path)
    assert run == load(tmp_path / "evening_stats_history.csv")
    found = {chart.id: {line.name: line.y for line in chart.lines} for chart in charts(run)}
    assert found["response-time"] == {"p50": [3], "p90": [7], "p99": [11], "p99.9": [22], "max": [33]}
    assert found["response-time-of-rooms"]["p50"] == [3]
    assert [list(lines.values()) for name, lines in found.items() if name == "users"] == [[[5, 10]]]
    summary = {row.what: (row.measured, row.met) for row in run.info.summary}
    assert (summary["requests"], summary["/rooms: refused"]) == ((900, None), (4, False))


@pytest.mark.long
def test_files_of_a_real_run_of_locust(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    command = [sys.executable, "-m", "locust", "--headless", "-u", "5", "-r", "5", "-t", "5s", "--csv", "evening"]
    subprocess.run([*command, "--csv-full-history"], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    run = load(tmp_path)
    found = {chart.id: chart for chart in charts(run)}
    assert {"response-time", "response-time-of-join", "users", "requests", "failures"} <= set(found)
    assert max(value or 0 for value in found["users"].lines[0].y) == 5
    measured = {(row.group, row.what): row.measured for row in run.info.summary}
    assert measured["join", "p50"] == 12
    assert [row.group for row in run.info.summary if row.met is False] == ["failures"]


def test_a_run_of_locust_that_was_killed_has_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "evening_stats_history.csv"
    path.write_text(HEAD + ROWS + "1800000002,10,GET,/ro")
    assert load(path).info.ended_ms == 1_800_000_001_000


def bad_files(folder: Path) -> dict[str, Path]:
    """Things that are not runs, by what is wrong with them."""
    texts = {
        "another json": "[1, 2]",
        "text": "hello",
        "results of another version.json": '{"touchline": "1", "results": {}}',
        "other.csv": "a,b\n1,2\n",
        "of_stats_history.csv": "a,b\n1,2\n",
        "torn_stats_history.csv": HEAD + "1800000000,x,,Aggregated,0,0,1\n" + ROWS,
        "empty_stats_history.csv": HEAD,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "empty folder").mkdir()
    RunWriter.create(folder / "empty run", INFO).close()
    (folder / "two").mkdir()
    for name in "ab":
        (folder / "two" / f"{name}_stats_history.csv").write_text(HEAD + ROWS)
    return {path.name: path for path in [*folder.iterdir(), folder / "missing"]}


def test_anything_else_is_refused_by_its_name(tmp_path: Path) -> None:
    for path in bad_files(tmp_path).values():
        with pytest.raises(BadRun) as refused:
            load(path)
        assert str(path) in str(refused.value)
