"""`make` as a newcomer to the project uses it."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*arguments: str) -> str:
    """The output of make. With `--dry-run` or `--assume-old` it does not set anything up."""
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_alone_lists_every_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    listed = {line.split()[0] for line in make().splitlines()}
    assert {"demo", "test", "check"} <= targets == listed


def test_descriptions_of_targets_stand_below_each_other() -> None:
    assert len({re.search(r"(?<=\s)\S", line).start() for line in make().splitlines()}) == 1  # type: ignore[union-attr]


def test_make_demo_runs_the_demo_with_its_arguments() -> None:
    assert ".venv/bin/touchline demo --match final.jsonl\n" in make("--dry-run", "demo", "ARGS=--match final.jsonl")


def test_the_demo_needs_no_test_tools() -> None:
    # With --always-make everything is out of date, so make prints all that the target can ever do.
    everything = make("--dry-run", "--always-make", "demo")
    assert "scripts/setup_venv.sh demo" in everything
    assert "dev" not in everything
    assert "scripts/setup_test_tools.sh" not in everything
    assert "scripts/fetch_kafka.sh" not in everything
