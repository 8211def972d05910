"""``make bench``, as a user runs it."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from project.test_make import make
from touchline_loadtest.cli.app import run
from touchline_loadtest.measure.bench import Bench, ServerCommand
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.results import Bound
from touchline_loadtest.measure.touchline import serve
from touchline_loadtest.registry import SCENARIOS, resized
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.scenarios.cpu_per_delivery import Sizes

DEADLINE_S = 90.0


def bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "touchline_loadtest", "bench", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_make_bench_runs_the_suite_with_its_arguments() -> None:
    assert "python -m touchline_loadtest bench joins --runs 1\n" in make("--dry-run", "bench", "ARGS=joins --runs 1")


@pytest.mark.parametrize("command", ["bench", "peers", "avalanche", "many-rooms"])
def test_a_list_is_plain_text(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--list"]) == 0
    listed = capsys.readouterr().out
    names = [line.split()[0] for line in listed.splitlines()]
    assert {"bench": "joins"}.get(command, "nchan") in names
    assert "`" not in listed


def test_a_scenario_alone_prints_its_table_and_writes_json_and_a_run(tmp_path: Path) -> None:
    done = bench("joins", "--scale", "0.002", "--json", "out.json", "--run", "run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "joins/s" in done.stdout
    recorded = RunReader(tmp_path / "run")
    assert recorded.info.ended_ms is not None
    assert {(row.group, row.what) for row in recorded.info.summary} >= {("joins", "joins/s")}
    assert [mark.text for mark in recorded.marks()] == ["joins"]
    assert {"server", "clients"} <= {sample.labels["process"] for sample in recorded.samples()}
    document = json.loads((tmp_path / "out.json").read_bytes())
    assert document["machine"]["cores"] >= 1
    assert document["server_python"] == sys.executable
    (result,) = document["results"]
    assert (result["scenario"], result["sizes"]["clients"]) == ("joins", 10)
    rows = {row["what"]: row for row in result["rows"]}
    assert rows["clients that lack events"]["met"] is True
    assert rows["joins/s"]["bound"] == {"sense": ">=", "value": 3000}
    assert rows["joins/s"]["met"] is None  # it is meant for more clients
    judged = {row.what: row.met for row in recorded.info.summary if row.bound}
    assert (judged["clients that lack events"], judged["joins/s"]) == (True, None)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["troughput"], ["troughput", "throughput"]),
        (["many-rooms"], ["many-rooms", "--kafka"]),
        (["throughput", "--json", "missing/out.json"], ["missing/out.json"]),
        (["throughput", "--server-rename", "NAME"], ["--server-rename", "NAME"]),
    ],
    ids=["unknown scenario", "no broker", "results not writable", "bad rename"],
)
def test_a_user_s_mistake_is_one_line_before_anything_is_measured(
    arguments: list[str], named: list[str], tmp_path: Path
) -> None:
    done = bench(*arguments, folder=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert [text for text in named if text not in line] == []
    assert done.stdout == ""


def test_another_installation_is_measured_with_its_own_names_of_variables(tmp_path: Path) -> None:
    """A wrapper stands in for the interpreter of another checkout, in which this variable has another name."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$TOUCHLINE_WINDOW_S" "$2" >{tmp_path}/called\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    server = ServerCommand(str(python), {"TOUCHLINE_OTHER": "TOUCHLINE_WINDOW_S"})

    async def start() -> None:
        async with serve(Bench(Cores(None, None), server=server), variables={"TOUCHLINE_OTHER": "7"}):
            pass

    asyncio.run(start())
    assert (tmp_path / "called").read_text() == "7 touchline_server\n"


def test_the_list_names_every_scenario(tmp_path: Path) -> None:
    lines = bench("--list", folder=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(SCENARIOS)


def test_every_scenario_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs/performance.md").read_text("utf-8")
    assert [name for name in SCENARIOS if f"`{name}`" not in text] == []


def test_only_the_sizes_that_a_scenario_has_are_changed() -> None:
    sizes = Sizes(clients=100, rate_hz=20, seconds=5, runs=5)
    assert resized(sizes, runs=2, seconds=None, scale=0.1) == Sizes(clients=10, rate_hz=20, seconds=5, runs=2)


@pytest.mark.parametrize(
    ("bound", "within", "beyond"), [(Bound("<=", 2), 2, 2.1), (Bound(">=", 2), 2, 1.9), (Bound("=", 0), 0, 1)]
)
def test_a_bound_holds_within_and_not_beyond(bound: Bound, within: float, beyond: float) -> None:
    assert bound.holds(within)
    assert not bound.holds(beyond)
