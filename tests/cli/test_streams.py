"""Standard streams that are closed, full, or gone: a server goes on, and a command ends with the right exit code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cli.processes import COMMAND, DEADLINE_S, line_of, run, running, serving
from support.processes import environment

TOKEN = ["token", "alice"]
ENV = environment() | {"TOUCHLINE_AUTH__HS256_SECRET": "x" * 32}
CHEATWATCH = [sys.executable, "-m", "touchline_cheatwatch"]


def shell(script: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` by a shell, as ``"$@"`` in ``script``."""
    return subprocess.run(
        ["/bin/bash", "-c", script, "bash", *command],
        env=ENV,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize("command", [[*COMMAND, *TOKEN], [*COMMAND, "--help"], [*CHEATWATCH, "--help"]], ids=" ".join)
def test_a_result_that_cannot_be_printed_is_an_error_of_one_line(command: list[str]) -> None:
    for redirection, reason in ((">/dev/full", "No space left"), (">&-", "Bad file descriptor")):
        done = shell(f'"$@" {redirection}', *command)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert reason in done.stderr


def test_a_reader_that_has_gone_ends_a_command_quietly() -> None:
    done = shell('"$@" | true; exit ${PIPESTATUS[0]}', *COMMAND, *TOKEN)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_without_any_stream_does_its_work() -> None:
    done = shell('"$@" <&- >&- 2>&-', *COMMAND, *TOKEN)
    assert done.returncode == 2
    assert shell('"$@" <&- 2>&-', *COMMAND, *TOKEN).returncode == 0
    assert shell('"$@" 2>/dev/full', *COMMAND, "no such command").returncode == 2


def test_a_tail_whose_reader_has_gone_ends_quietly() -> None:
    with serving() as server:
        for number in range(2):
            assert run("publish", "match:1", str(number), "--url", server.control_url).returncode == 0
        tail = [*COMMAND, "tail", "match:1", "--last", "2", "--url", server.websocket_url]
        done = shell('"$@" | head -n 1; exit ${PIPESTATUS[0]}', *tail)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


LONG = [
    pytest.param(redirection, marks=pytest.mark.long)
    for redirection in ("<&- >&-", ">/dev/full 2>&1", "2>&-", "| true")
]


@pytest.mark.parametrize("redirection", ["<&- >&- 2>&-", *LONG])
def test_a_server_goes_on_without_its_streams(redirection: str, tmp_path: Path) -> None:
    """The log is a file: if 0, 1 or 2 were free it would get that number, and be written to by a library."""
    port_file = tmp_path / "port"
    code = (
        "import sys\n"
        "from touchline_server.cli import serve\n"
        "def banner(*args, control_url, **others):\n"
        f"    open({str(port_file)!r}, 'w').write(control_url + '\\n')\n"
        "    return ['one line'] * 3\n"
        "serve.server_banner = banner\n"
        "from touchline_server.__main__ import main\n"
        "main()\n"
    )
    options = ["serve", "--port", "0", "--control-port", "0", "--log", f"sqlite://{tmp_path}/log.db"]
    script = f'"$@" {redirection} & wait $!; exit $?' if "|" not in redirection else f'"$@" {redirection}'
    process = subprocess.Popen(
        ["/bin/bash", "-c", script, "bash", sys.executable, "-c", code, *options],
        env=ENV,
        start_new_session=True,
    )
    try:
        while not (port_file.exists() and (url := port_file.read_text().strip())):
            assert process.poll() is None
        answer = httpx.post(f"{url}/v1/rooms/match:1/events", json={"data": 1})
        assert answer.status_code == 200
        assert httpx.get(f"{url}/readyz").status_code == 200
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_text_that_an_encoding_lacks_is_printed_as_escapes() -> None:
    done = run("publish", "match:ä:\u200b", "1", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    with running("tail", "match:1", "--url", "ws://127.0.0.1:1/ws", env={"PYTHONIOENCODING": "ascii"}) as tail:
        assert tail.stderr is not None
        assert "127.0.0.1" in line_of(tail.stderr, tail)
