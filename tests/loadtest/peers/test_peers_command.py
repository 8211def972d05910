"""``python -m touchline_loadtest peers`` as users run it: what it writes, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from touchline_loadtest.cli.app import run
from touchline_loadtest.runs.files import INFO

DEADLINE_S = 90.0
SHORT = ["--clients", "20", "--seconds", "0.1", "--runs", "1", "--step-seconds", "0.1", "--settle", "0.1"]
DOCUMENT = "# Ours\n\n<!-- begin fan-out -->\nold\n<!-- end fan-out -->\n"


def peers(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "touchline_loadtest", "peers", *arguments],
        cwd=folder,  # in which no peer is installed
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_a_run_writes_its_results_whatever_is_missing(tmp_path: Path) -> None:
    document = tmp_path / "ours.md"
    document.write_text(DOCUMENT)
    files = ["--json", "peers.json", "--markdown", "ours.md", "--run", "run"]
    done = peers(tmp_path, "c-send-loop", "centrifugo", *SHORT, "--most-deliveries", "500", *files)
    assert done.returncode == 0, done.stderr
    loop, centrifugo = json.loads((tmp_path / "peers.json").read_text())["results"]
    assert loop["numbers"]["wrong"] == 0
    assert loop["numbers"]["deliveries_per_s"] == 500
    assert "install_peers.sh" in centrifugo["missing"]
    assert "| `c-send-loop` | - |" in document.read_text()
    assert "old" not in document.read_text()
    summary = json.loads((tmp_path / "run" / INFO).read_text())["summary"]
    assert {row["group"] for row in summary} == {"c-send-loop", "centrifugo"}


@pytest.mark.long
def test_without_any_peer_the_run_has_failed(tmp_path: Path) -> None:
    assert peers(tmp_path, "centrifugo", *SHORT).returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [["centrifuge"], ["c-send-loop", "--markdown", "other.md"], ["--bytes", "1"]],
    ids=["unknown peer", "no place for the table", "too few bytes"],
)
def test_users_hear_of_mistakes_before_anything_is_measured(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.md").write_text("# No table here\n")
    monkeypatch.chdir(tmp_path)
    assert run(["peers", *arguments, *SHORT]) == 2
    assert not capsys.readouterr().out
