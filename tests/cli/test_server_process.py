"""The lines of a server's log about the process, as an operator sees them, and what signals and few open files do."""

import json
import os
import pty
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from cli.processes import COMMAND, DEADLINE_S, line_of, serving, stop
from support.processes import environment
from touchline_protocol import codes
from touchline_server.core.liveness import REFUSED_CONNECTIONS_MAX
from touchline_server.node.open_files import CLIENTS_MIN, CONTROL_FILES, RESERVED_FILES, raise_limit

JSON_LOG = {"TOUCHLINE_LOGGING__FORMAT": "json"}


def lines_of(text: str) -> dict[str, dict[str, Any]]:
    """The lines of a log in JSON, by their events."""
    return {line["event"]: line for line in map(json.loads, text.splitlines())}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_gets_a_signal_says_so_drains_and_exits_with_success(number: signal.Signals) -> None:
    with serving(env=JSON_LOG | {"TOUCHLINE_DRAIN_S": "0.1", "TOUCHLINE_CONNECTIONS_MAX": "300"}) as running_server:
        code, out, err = stop(running_server.process, number)
    assert (code, out) == (0, "")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == [
        "server_starting", "server_ready", "signal_received", "drain_started", "drain_finished", "server_stopped"
    ]  # fmt: skip
    assert lines[2]["signal"] == number.name


def test_a_hangup_during_a_drain_does_not_cut_it_short() -> None:
    with serving(env=JSON_LOG | {"TOUCHLINE_DRAIN_S": "0.5"}) as draining, connect(draining.websocket_url) as client:
        client.send('{"type":"hello"}')
        client.recv()
        draining.process.send_signal(signal.SIGTERM)
        assert json.loads(client.recv())["type"] == "goaway"
        draining.process.send_signal(signal.SIGHUP)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == codes.GOING_AWAY.code
        _, err = draining.process.communicate(timeout=DEADLINE_S)
        assert draining.process.returncode == 0
    assert lines_of(err)["signal_received"]["signal"] == "SIGTERM"


def test_a_server_under_nohup_survives_the_end_of_its_terminal() -> None:
    ignoring = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what a child process inherits
    try:
        with serving(env={"TOUCHLINE_DRAIN_S": "0"}) as running_server:
            running_server.process.send_signal(signal.SIGHUP)
            assert httpx.get(f"{running_server.control_url}/readyz").json()["ready"] is True
            assert stop(running_server.process)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, ignoring)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait_for_the_drain(number: signal.Signals) -> None:
    with serving(env=JSON_LOG | {"TOUCHLINE_DRAIN_S": "60"}) as draining, connect(draining.websocket_url) as client:
        client.send('{"type":"hello"}')
        assert json.loads(client.recv())["type"] == "welcome"
        draining.process.send_signal(number)
        assert json.loads(client.recv())["type"] == "goaway"
        code, _, err = stop(draining.process, number)
    assert code == (130 if number is signal.SIGINT else -signal.SIGTERM)
    lines = lines_of(err)
    assert (lines["signal_received"]["signal"], lines["stop_cut_short"]["signal"]) == (number.name, number.name)
    assert number.name in lines["signal_received"]["action"]


def test_the_first_line_names_changed_settings_and_no_secret() -> None:
    secrets = {
        "TOUCHLINE_API_KEYS": "first-key,second-key",
        "TOUCHLINE_AUTH__HS256_SECRET": "very-secret-" * 4,
        "TOUCHLINE_KAFKA__SASL_PASSWORD": "secret-of-kafka",
        "TOUCHLINE_KAFKA__SASL_USERNAME": "edge",
        "TOUCHLINE_KAFKA__SASL_MECHANISM": "PLAIN",
    }
    with serving("--edge-name", "berlin", env=JSON_LOG | secrets | {"TOUCHLINE_WINDOW_S": "60"}) as server:
        _, _, err = stop(server.process)
    first = lines_of(err)["server_starting"]
    assert first["log"] == "sqlite://"
    assert first["feeds"] == {"match": "match-events", "score": "score-events"}
    changed = first["changed_settings"]
    assert (changed["window_s"], changed["edge_name"]) == (60.0, "berlin")
    assert {"api_keys", "auth.hs256_secret", "kafka.sasl_password", "kafka.sasl_username"} <= changed.keys()
    for secret in ("first-key", "second-key", "very-secret", "secret-of-kafka"):
        assert secret not in err


@contextmanager
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that takes nothing more, and that nobody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 512)
    os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)


def test_a_server_whose_stderr_nobody_reads_serves_and_stops() -> None:
    command = [*COMMAND, *["serve", "--log", "sqlite://", "--port", "0", "--control-port", "0"]]
    with full_pipe() as stderr, subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as process:  # fmt: skip
        try:
            url = ""
            while not url.startswith("control"):
                url = line_of(process.stdout, process)
            assert httpx.get(f"{url.split()[1]}/healthz").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()


def until_line(process: subprocess.Popen[str], event: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a log in JSON, with their events, up to one of this event."""
    seen = ""
    while seen != event:
        line = json.loads(line_of(process.stderr, process))
        seen = line["event"]
        yield seen, line


@contextmanager
def serving_with_files(files_max: int, **env: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server that may have this many files open, and the addresses of its WebSocket and of its control plane."""
    process = subprocess.Popen(
        [
            "bash",
            "-c",
            f'ulimit -n {files_max}; exec "$@"',
            "bash",
            *COMMAND,
            *["serve", "--port", "0", "--control-port", "0"],
        ],
        env=environment() | JSON_LOG | {"TOUCHLINE_LOG": "sqlite://"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        banner = {}
        while "control" not in banner:
            name, _, value = line_of(process.stdout, process).partition(" ")
            banner[name] = value.strip()
        yield process, banner["WebSocket"], banner["control"]
    finally:
        process.kill()
        process.communicate()


def test_clients_and_idle_connections_to_the_control_plane_leave_files_for_a_probe() -> None:
    with serving_with_files(RESERVED_FILES + CLIENTS_MIN) as (_, websocket_url, control_url), ExitStack() as opened:
        for url, count in ((websocket_url, CLIENTS_MIN + REFUSED_CONNECTIONS_MAX), (control_url, CONTROL_FILES + 64)):
            address = urlsplit(url)
            for _ in range(count):
                opened.enter_context(socket.create_connection((address.hostname, address.port)))
        assert httpx.get(f"{control_url}/healthz").status_code == 200


def test_few_open_files_lower_the_limit_of_connections_which_is_said_everywhere() -> None:
    fitting = 40
    with serving_with_files(RESERVED_FILES + fitting) as (process, websocket_url, control_url), ExitStack() as clients:
        lowered = httpx.get(f"{control_url}/readyz").json()["lowered"]["connections_max"]
        assert {str(fitting), "50000", str(RESERVED_FILES + fitting)} <= set(lowered.replace(",", "").split())
        for _ in range(fitting):
            clients.enter_context(connect(websocket_url))
        with pytest.raises(InvalidStatus) as refused:
            clients.enter_context(connect(websocket_url))
        assert refused.value.response.status_code == 503
        ready = httpx.get(f"{control_url}/readyz")
        assert (ready.status_code, "connections_max" in ready.json()["degraded"]) == (200, True)
        lines = dict(until_line(process, "problem_began"))
        process.send_signal(signal.SIGHUP)
        assert "connections_max_lowered" not in dict(until_line(process, "settings_reloaded")), "it is known"
    assert lines["connections_max_lowered"]["wanted"] == 50_000
    assert lines["connections_max_lowered"]["connections_max"] == fitting
    assert lines["problem_began"]["subject"] == "connections_max"


def test_settings_are_checked_together_as_they_are_in_force() -> None:
    with serving_with_files(RESERVED_FILES + 9_000, TOUCHLINE_DRAIN_S="1") as (process, _, _):
        conflict = dict(until_line(process, "settings_conflict"))["settings_conflict"]
    assert {"9000", "50000"} & set(conflict["why"].split()) == {"9000"}


def test_connections_beyond_the_limit_leave_the_control_plane_and_the_log_their_files() -> None:
    with (
        serving_with_files(RESERVED_FILES + CLIENTS_MIN) as (_, websocket_url, control_url),
        ExitStack() as silent,
    ):
        port = int(websocket_url.split(":")[2][:-3])
        for _ in range(400):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        for _ in range(5):
            sent = httpx.post(f"{control_url}/v1/rooms/score:1/events", json={"data": 1})
            assert sent.status_code == 200
        assert "open_files" not in httpx.get(f"{control_url}/readyz").json().get("degraded", {})


def test_a_server_with_hardly_any_files_does_not_start() -> None:
    files_max = RESERVED_FILES + CLIENTS_MIN - 1
    done = subprocess.run(
        ["bash", "-c", f'ulimit -n {files_max}; exec "$@"', "bash", *COMMAND, "serve", "--log", "sqlite://"],
        env=environment() | JSON_LOG,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    *lines, reported = done.stderr.splitlines()
    assert done.returncode == 2
    assert str(files_max) in reported
    failed = lines_of("\n".join(lines))["server_failed"]  # whoever collects the log sees it too
    assert str(files_max) in failed["why"]
    assert "exception" not in failed


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        assert raise_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_whose_terminal_closes_drains() -> None:
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", *COMMAND, *["serve", "--log", "sqlite://", "--port", "0", "--control-port", "0"]],
        env=environment(),
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    try:
        shown = b""
        while b"control " not in shown:
            shown += os.read(terminal, 4096)
        os.close(terminal)  # the kernel sends SIGHUP, and whatever is written from now on fails
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
