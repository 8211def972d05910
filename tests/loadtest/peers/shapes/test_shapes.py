"""The two shapes, with servers: loss is found where there is loss, and none where there is none."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from touchline_loadtest.peers.shapes.avalanche import Report
from touchline_loadtest.peers.shapes.entries import avalanche_entries, choose
from touchline_protocol.errors import OperatorError

DEADLINE_S = 90.0
SMALL = ["--clients", "20", "--rooms", "2", "--rate", "20"]
SHORT = ["--jitter", "0.2", "--away-max", "0.4", "--avalanche", "0.2", "--outage", "0.2", "--outage-events", "30"]


def shape(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "touchline_loadtest", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_broken_connections_cost_clients_of_touchline_nothing_and_those_without_recovery_what_they_missed(
    tmp_path: Path,
) -> None:
    done = shape(
        "avalanche",
        "touchline",
        "python-websockets",
        *SMALL,
        *SHORT,
        "--pause",
        "0.2",
        "--markdown",
        "a.md",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode((tmp_path / "avalanche.json").read_bytes(), type=Report)
    assert set(report.phases) == {"jitter", "avalanche", "outage"}
    for outcomes in report.phases.values():
        ours, theirs = outcomes["touchline"], outcomes["python-websockets"]
        assert (ours.lost, ours.duplicates, ours.out_of_order, ours.losers, ours.dropped) == (0, 0, 0, 0, 0)
        assert ours.caught_up == ours.returns > 0
        assert ours.replay_ms is not None
        assert 0 < theirs.lost < theirs.due
        assert theirs.unaware == theirs.losers > 0
        assert theirs.caught_up < theirs.returns
    outage = report.phases["outage"]["python-websockets"]
    assert outage.lost >= 20 * 30  # the burst at the end of the outage reached nobody
    assert "| `python-websockets` |" in (tmp_path / "a.md").read_text("utf-8")


def test_every_event_of_many_rooms_is_counted(tmp_path: Path) -> None:
    sizes = ["--rooms", "30", "--clients", "45", "--seconds", "1", "--warm-up", "0.1", "--rate", "10"]
    done = shape("many-rooms", "python-websockets", *sizes, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (standing,) = json.loads((tmp_path / "many-rooms.json").read_bytes())["results"]
    assert standing["found"]["due"] == standing["found"]["arrived"] == 45 * 10
    assert standing["found"]["late_ms"]["p50"] > 0


def test_a_peer_that_does_not_exist_is_an_error_that_names_the_one_that_was_meant() -> None:
    with pytest.raises(OperatorError, match="nchan"):
        choose(avalanche_entries(), ["nchn"], None)
    with pytest.raises(OperatorError, match="--kafka"):
        choose(avalanche_entries(), ["touchline-kafka"], None)
    assert "touchline-kafka" not in [entry.name for entry in choose(avalanche_entries(), [], None)]
