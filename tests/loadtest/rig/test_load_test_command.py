"""``make loadtest``, as a user runs it."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from project.test_make import make
from support.kafka_broker import KafkaBroker
from support.waiting import eventually
from touchline_loadtest.cli.app import run
from touchline_loadtest.locust.shapes.schedule import OPERATORS
from touchline_loadtest.report.page import charts
from touchline_loadtest.report.sources.load import load
from touchline_loadtest.rig.settings import LoadTest
from touchline_loadtest.runs.reader import RunReader

DEADLINE_S = 400.0
COMMAND = (sys.executable, "-m", "touchline_loadtest", "run")


def load_test(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def compared_counts(folder: Path) -> dict[str, int]:
    """What the checker has compared, by its names."""
    rows = RunReader(folder).info.summary
    return {row.what.removeprefix("compared: "): int(row.measured) for row in rows if row.what.startswith("compared: ")}


@asynccontextmanager
async def started_load_test(
    folder: Path, *arguments: str, processes: int = 1
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A load test at work, with this many processes of Locust running."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "--processes",
        str(processes),
        "--folder",
        str(folder),
        *arguments,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        logs = processes if processes == 1 else processes + 1  # the master's too
        await eventually(lambda: len([*folder.glob("locust*.log")]) == logs or process.returncode is not None)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def test_make_loadtest_runs_a_load_test_with_its_arguments() -> None:
    told = make("--dry-run", "loadtest", "ARGS=--shape kick-off")
    assert "scripts/fetch_kafka.sh\n" in told
    assert "python -m touchline_loadtest run --shape kick-off\n" in told


def test_a_load_test_passes_and_leaves_its_report(kafka: KafkaBroker, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    small = ("--users", "25", "--seconds", "4", "--matches", "5", "--speed", "20")
    done = load_test("--kafka", kafka.address, "--folder", str(folder), *small)
    assert done.returncode == 0, done.stdout + done.stderr
    info = RunReader(folder).info
    assert info.ended_ms is not None
    measured = {(row.group, row.what): row.measured for row in info.summary}
    assert int(measured["event", "number"]) > 0
    assert int(measured["action to ack", "number"]) > 0
    assert all(row.met is not False for row in info.summary)
    assert compared_counts(folder)["clients"] == 25
    assert RunReader(folder).breaches() == []
    assert [mark.text for mark in RunReader(folder).marks()] == ["goal", "goal"]
    lags = [sample for sample in RunReader(folder).samples() if sample.series == "log_lag"]
    assert {sample.labels["edge"] for sample in lags} == {"edge-1"}
    assert min(sample.value for sample in lags) >= 0
    assert kafka.address in done.stdout  # and not: "starting Kafka"
    assert {"event-latency", "log-lag"} <= {chart.id for chart in charts(load(folder))}
    assert (folder / "report.html").exists()


@pytest.mark.long  # e2e/test_workers.py has the short one
def test_a_worker_that_is_killed_costs_no_client_an_event(kafka: KafkaBroker, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    small = ("--users", "25", "--seconds", "6", "--matches", "5", "--speed", "20", "--shape", "worker-kill")
    done = load_test("--kafka", kafka.address, "--folder", str(folder), "--workers", "2", *small)
    assert done.returncode == 0, done.stdout + done.stderr
    compared = compared_counts(folder)
    assert compared["resumes"] > 0
    assert compared["actions acknowledged"] > 0
    assert [mark.text for mark in RunReader(folder).marks()] == ["kill a worker", "edge-1/1 is killed"]


def test_what_a_swarm_asks_of_a_kick_off_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "--help"]) == 0
    assert "40" in capsys.readouterr().out.split("--swarm ")[1].split("--swarm-processes")[0]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--shape", "gaol"], "did you mean goal"),
        (["--users", "0"], "--users"),
        (["--fail-above", "event.p98=1"], "p98"),
        # Ten seconds pass before the client gives up.
        pytest.param(["--kafka", "127.0.0.1:1"], "127.0.0.1:1", marks=pytest.mark.long),
    ],
)
def test_a_mistake_is_an_error_in_one_line(
    arguments: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "--folder", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_a_folder_that_has_a_run_is_not_used_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert run(["run", "--folder", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_port_in_use_is_found_before_anything_is_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(["run", "--folder", str(tmp_path / "run"), "--web", "--web-port", str(port)]) == 2
    assert str(port) in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_too_few_open_files_are_an_error_with_the_number_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 4096))
    assert run(["run", "--folder", str(tmp_path / "run"), "--users", "5000"]) == 2
    error = capsys.readouterr().err
    assert str(LoadTest(folder=tmp_path, users=5000).files) in error
    assert "4096" in error
    assert "--users" in error
    assert not (tmp_path / "run").exists()


def test_without_java_the_error_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["run", "--folder", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "java" in error
    assert "--kafka" in error


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        ("--shape", "goal", "--users", "100", "--processes", "2"),
        ("--shape", "half-time", "--users", "60"),
        ("--shape", "edge-drain", "--users", "60", "--edges", "2"),
        ("--shape", "edge-kill", "--users", "60", "--edges", "2"),
        ("--shape", "avalanche", "--users", "60"),
        ("--shape", "kick-off", "--users", "60", "--swarm", "200", "--seconds", "45", "--speed", "1"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_every_shape_passes_with_a_broker_of_its_own(arguments: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = load_test("--folder", str(folder), "--seconds", "25", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert RunReader(folder).breaches() == []
    compared = compared_counts(folder)
    assert min(compared[what] for what in ("events", "actions acknowledged", "closes", "rooms")) > 0


FLEET = ("--edges", "2", "--workers", "2", "--keepers", "2", "--brokers", "3", "--matches", "10")


def unmet(folder: Path) -> list[str]:
    """The rows of the result that are not met."""
    return [f"{row.what}: {row.measured}" for row in RunReader(folder).info.summary if row.met is False]


@pytest.mark.long
def test_a_fleet_in_which_everything_fails_once_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    size = ("--shape", "fleet-faults", "--users", "60", "--seconds", "180")
    done = load_test("--folder", str(folder), *FLEET, *size, "--", "--stay", "120", "Fan", "Player", "StreamFan")
    assert done.returncode == 0, [*unmet(folder), done.stderr[-2000:]]
    rows = {row.what: row.measured for row in RunReader(folder).info.summary}
    assert rows["cues that were carried out"] == len(OPERATORS) - 1  # nothing drains
    assert int(rows["rooms that newcomers joined"]) >= 2 * 2 * 20  # each room at each worker
    assert int(rows["numbers of viewers that were compared"]) > 1000
    assert min(compared_counts(folder)[what] for what in ("resumes", "actions acknowledged", "states")) > 0


@pytest.mark.long
def test_both_edges_of_a_fleet_are_restarted_and_nobody_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    drain = ("--shape", "rolling-restart", "--seconds", "50", "--drain-seconds", "5")
    done = load_test("--folder", str(folder), *FLEET, *drain, "--users", "60", "--", "--stay", "100", "Fan", "Player")
    assert done.returncode == 0, [*unmet(folder), done.stderr[-2000:]]
    rows = {(row.group, row.what): row.measured for row in RunReader(folder).info.summary}
    for drain_of in ("drain 1: edge-1", "drain 2: edge-2"):
        assert int(rows[drain_of, "clients that were sent away"]) > 0
    assert int(rows["", "action sessions that went on at another edge"]) > 0


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_nothing_lingers_when_a_load_test_is_ended_early(number: signal.Signals, tmp_path: Path) -> None:
    async with started_load_test(tmp_path / "run", "--seconds", "60", processes=2) as process:
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) == 6  # Kafka, an edge, cheatwatch, Locust's master and workers
        process.send_signal(number)
        code = await process.wait()
        await eventually(lambda: not any(child.is_running() for child in started))
    assert code == (130 if number != signal.SIGKILL else -signal.SIGKILL)


@pytest.mark.long
@pytest.mark.parametrize("mistake", ["Fann", "--no-such-option"])
def test_what_locust_does_not_take_is_found_before_anything_is_started(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "--folder", str(tmp_path / "run"), "--", mistake]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert mistake in line.partition(": ")[2].partition(": ")[2]  # what Locust says, behind what the user said
    assert not (tmp_path / "run").exists()


@pytest.mark.long
async def test_a_load_test_that_loses_a_worker_fails_with_a_report(kafka: KafkaBroker, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    small = ("--kafka", kafka.address, "--seconds", "15", "--users", "10", "--matches", "5")
    async with started_load_test(folder, *small, processes=2) as process:
        await eventually(lambda: len([*(folder / "traces").glob("*")]) >= 2)
        (worker, *_) = [
            child for child in psutil.Process(process.pid).children(recursive=True) if "--worker" in child.cmdline()
        ]
        worker.kill()
        _, errors = await process.communicate()
    assert process.returncode == 1, errors
    lost = [row for row in RunReader(folder).info.summary if row.what == "processes of Locust that ended early"]
    assert [(row.measured, row.met) for row in lost] == [("locust-1", False)]
    assert (folder / "report.html").exists()


@pytest.mark.long
async def test_an_edge_that_ends_by_itself_fails_the_load_test(tmp_path: Path) -> None:
    async with started_load_test(tmp_path / "run", "--seconds", "60", "--users", "10") as process:
        children = psutil.Process(process.pid).children(recursive=True)
        (edge,) = [child for child in children if "touchline_server" in child.cmdline()]
        edge.kill()
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"edge-1" in errors
