"""``make bench`` as a stranger runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from project.test_make import make
from touchline_loadtest.registry import SCENARIOS, resized
from touchline_loadtest.results import Bound
from touchline_loadtest.scenarios.cpu_per_delivery import Sizes

DEADLINE_S = 60.0


def bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "touchline_loadtest", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_make_bench_runs_the_suite_with_its_arguments() -> None:
    assert "python -m touchline_loadtest joins --runs 1\n" in make("--dry-run", "bench", "ARGS=joins --runs 1")


def test_a_scenario_alone_prints_its_table_and_writes_json(tmp_path: Path) -> None:
    done = bench("joins", "--scale", "0.002", "--json", "out.json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "joins/s" in done.stdout
    document = json.loads((tmp_path / "out.json").read_bytes())
    assert document["machine"]["cores"] >= 1
    (result,) = document["results"]
    assert (result["scenario"], result["sizes"]["clients"]) == ("joins", 10)
    rows = {row["what"]: row for row in result["rows"]}
    assert rows["clients that lack events"]["met"] is True
    assert rows["joins/s"]["bound"] == {"sense": ">=", "value": 3000}
    assert "other sizes" in result["notes"][0]


def test_a_scenario_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    done = bench("troughput", folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, "bench: there is no scenario 'troughput'; did you mean throughput?\n")


def test_a_scenario_that_needs_a_broker_says_so(tmp_path: Path) -> None:
    done = bench("many-rooms", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "bench: many-rooms needs a Kafka broker: name one with --kafka host:port\n"


def test_results_that_cannot_be_written_are_told_before_anything_is_measured(tmp_path: Path) -> None:
    done = bench("throughput", "--json", "missing/out.json", folder=tmp_path)
    assert done.returncode == 2
    assert "missing" in done.stderr
    assert "throughput" not in done.stdout


def test_the_list_names_every_scenario(tmp_path: Path) -> None:
    lines = bench("--list", folder=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(SCENARIOS)


def test_every_scenario_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs/performance.md").read_text("utf-8")
    assert [name for name in SCENARIOS if f"`{name}`" not in text] == []


def test_sizes_are_changed_as_far_as_a_scenario_has_them() -> None:
    sizes = Sizes(clients=100, rate_hz=20, seconds=5, runs=5)
    assert resized(sizes, runs=2, seconds=None, scale=0.1) == Sizes(clients=10, rate_hz=20, seconds=5, runs=2)


@pytest.mark.parametrize(
    ("bound", "within", "beyond"), [(Bound("<=", 2), 2, 2.1), (Bound(">=", 2), 2, 1.9), (Bound("=", 0), 0, 1)]
)
def test_a_bound_holds_or_not(bound: Bound, within: float, beyond: float) -> None:
    assert bound.holds(within)
    assert not bound.holds(beyond)
