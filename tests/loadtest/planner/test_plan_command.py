"""``plan`` and ``costs`` as a user runs them, and the plans in the documents."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.kafka_broker import KafkaBroker
from touchline_loadtest.planner.costs import PACKAGED, load
from touchline_loadtest.planner.fit import errors

ROOT = Path(__file__).parents[3]
AUDIENCE = ["--viewers", "1e6", "--rooms", "50", "--events-per-s", "5", "--bytes", "400"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "touchline_loadtest", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


def test_the_plans_in_the_documents_are_those_of_the_packaged_costs() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "write_plans.py", "--check"], check=True)


def test_a_plan_says_how_far_off_its_costs_were_in_each_direction_and_what_makes_up_for_it() -> None:
    known = load(PACKAGED)
    found = errors(known.cpu, known.runs)
    shown = run("plan", *AUDIENCE).stdout.splitlines()[-1]
    for share in (found.median, abs(found.lowest), abs(found.highest), found.more_edges):
        assert f"{share:.0%}" in shown


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--viewers", "0"], "--viewers"),
        (["--viewers", "many"], "--viewers"),
        (["--busy", "2"], "--busy"),
        (["--costs", "missing.json"], "missing.json"),
        (["--costs", str(ROOT / "pyproject.toml")], "pyproject.toml"),
        (["--rooms", "1e9"], "CPU of deliveries"),
    ],
    ids=["no viewers", "not a number", "more than a core", "no file", "not costs", "too much for any fleet"],
)
def test_a_user_s_mistake_is_one_line(arguments: list[str], named: str) -> None:
    done = run("plan", *AUDIENCE, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert named in line
    assert done.stdout == ""


@pytest.mark.long
def test_costs_are_measured_and_a_plan_is_made_from_them(kafka: KafkaBroker, tmp_path: Path) -> None:
    """At a five-hundredth of the size: it shows that all of it works, and not what things cost."""
    output = tmp_path / "costs.json"
    measured = run("costs", "--kafka", kafka.address, "--output", str(output), "--seconds", "0.2", "--scale", "0.002")
    assert measured.returncode == 0, measured.stderr
    found = json.loads(output.read_bytes())
    assert len(found["runs"]) == 19
    assert min(run["deliveries"] for run in found["runs"]) > 0
    planned = run("plan", *AUDIENCE, "--costs", str(output))
    assert planned.returncode == 0, planned.stderr
