"""``swarm``, as a user runs it, with a real server."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from support.faulty_server import ROOM, faulty_server
from touchline_loadtest.cli.app import run
from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.touchline import serve
from touchline_loadtest.runs.history.reader import read_traces, trace_files
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.swarm import run as swarm_run
from touchline_loadtest.swarm.plan import Edge, Settings

DEADLINE_S = 90.0


async def swarm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "touchline_loadtest", "swarm", *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


@pytest.mark.long
async def test_a_swarm_loads_a_server_and_writes_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    async with serve(Bench(Cores(None, None))) as server:
        publishing = ["--publish", "evening", "--matches", "3", "--speed", "20"]
        publishing += ["--publish-url", f"http://127.0.0.1:{server.control_port}"]
        clients = ["--clients", "60", "--sample", "6", "--processes", "2", "--rooms-per-client", "1-3"]
        url = f"ws://127.0.0.1:{server.port}/ws"
        done = await swarm("--url", url, *clients, *publishing, "--seconds", "1.2", "--run", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    reader = RunReader(folder)
    assert reader.info.ended_ms is not None
    summary = {row.what: row.measured for row in reader.info.summary}
    assert summary["counters that match to the byte"] == 54
    assert summary["most connections"] == 60
    assert isinstance(summary["events that counters received"], int | float)
    assert summary["events that counters received"] > 54
    assert reader.breaches() == []
    series = {sample.series for sample in reader.samples()}
    assert {"event_latency", "connect_time", "first_state", "deliveries", "connections", "cpu", "memory"} <= series
    traces = {head.client for path in trace_files(folder) for block in read_traces(path) for head in block.traces}
    assert {f"client-{number}" for number in range(1, 7)} <= traces


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--rooms", "match:1", "--clients", "1", "--sample", "2"], "--clients is 1"),
        (["--rooms", "no-room"], "no-room"),
        ([], "--rooms"),
        (["--rooms", "match:1", "--fail-above", "event.p98=1"], "p98"),
        (["--rooms", "match:1", "--rooms-per-client", "x"], "x"),
        (["--rooms", "match:1", "--url", "wss://127.0.0.1/ws"], "wss://127.0.0.1/ws"),
    ],
    ids=["too few clients", "bad room", "no rooms", "bad threshold", "bad range", "TLS"],
)
def test_wrong_options_are_refused_in_one_line(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["swarm", "--url", "ws://127.0.0.1:1/ws", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert named in line


def test_a_server_that_is_not_there_is_reported_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "ws://127.0.0.1:1/ws"
    assert run(["swarm", "--url", url, "--rooms", ROOM, "--clients", "60", "--run", str(tmp_path / "run")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "127.0.0.1:1" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 503 Service Unavailable\r\n\r\n"], ids=["silent", "refuses"])
async def test_a_server_that_lets_nobody_in_fails_the_run(says: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)
        await reader.read()
        writer.close()

    monkeypatch.setattr(swarm_run, "JOIN_TIMEOUT_S", 0.5)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        edge = Edge("127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(ClientsFailed, match=r"0\.5 s"):
            await swarm_run.run_swarm(Settings([edge], [ROOM], clients=60))


@pytest.mark.long
async def test_a_threshold_that_is_exceeded_fails_the_run() -> None:
    async with faulty_server() as (_, port):
        done = await swarm(
            *("--url", f"ws://127.0.0.1:{port}/ws", "--rooms", ROOM, "--clients", "3", "--sample", "1"),
            *("--seconds", "0.3", "--fail-above", "connect.p50=0", "--fail-above", "first_state.max=60000"),
        )
    assert done.returncode == 1
    assert "connect p50" in done.stdout


@pytest.mark.long
async def test_a_swarm_with_servers_of_its_own_is_checked_by_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    clients = ["--clients", "120", "--sample", "12", "--processes", "2", "--rooms-per-client", "1-4"]
    publishing = ["--publish", "evening", "--matches", "4", "--speed", "20", "--seconds", "4"]
    done = await swarm("--start-edges", "2", *clients, *publishing, "--shape", "avalanche", "--run", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    summary = {row.what: row.measured for row in RunReader(folder).info.summary}
    assert summary["counters that match to the byte"] == 108
    sampled = {sample.labels.get("process") for sample in RunReader(folder).samples()}
    assert [sample.labels for sample in RunReader(folder).samples() if sample.series == "log_lag"][:1] == [{}]
    assert {"edge-1", "edge-2", "kafka", "swarm", "swarm worker 1", "swarm worker 2"} <= sampled
    assert run(["check", str(folder)]) == 0
