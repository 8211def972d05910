"""Every mistake that a user can fix is one line on stderr and exit code 2."""

import json
import socket
from pathlib import Path

import pytest

from cli.processes import run as run_process
from touchline_server.cli.app import run

NOBODY = "127.0.0.1:1"
"""Nothing listens there: the port is reserved, and below the range of free ports."""


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOUCHLINE_KAFKA__CONNECT_TIMEOUT_S", "0.5")
    monkeypatch.setenv("TOUCHLINE_LOGGING__LEVEL", "error")
    Path("match-7.json").write_text(
        json.dumps(
            [
                {
                    "period": 1,
                    "timestamp": "00:00:00.000",
                    "minute": 0,
                    "second": 0,
                    "type": {"name": "Starting XI"},
                    "team": {"name": team},
                }
                for team in ("Home", "Away")
            ]
        )
    )
    Path("empty.json").write_text("[]")
    Path("bad.toml").write_text("prot = 1")
    Path("any-port.toml").write_text("port = 0\ncontrol_port = 0")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("serv", "'serv'"),
        ("--port 1", "--port"),
        ("serve --prot 1", "--prot"),
        ("serve --port x", "--port"),
        ("serve --open", "--publish-without-key"),
        ("serve --edge name", "--edge-name"),
        ("serve --port 70000", "flag --port: "),
        ("serve --config nothing.toml", "nothing.toml"),
        ("serve --config bad.toml", "'prot' in bad.toml"),
        ("serve --log redis://x", "redis://x"),
        ("serve --log sqlite:// --host 192.0.2.1 --port 0", "192.0.2.1"),
        ("serve --log kafka://127.0.0.1:1 --port 0 --control-port 0", "127.0.0.1:1"),
        ("serve --control-host 0.0.0.0", "flag --control-host: "),
        ("publish", "ROOM"),
        ("publish match 1", "'match'"),
        ("publish match:* 1", "pattern"),
        ("tail score:*", "pattern"),
        ("tail *", "pattern"),
        ("tail scores:1 --log kafka://127.0.0.1:1", "'score'?"),
        ("publish scores:1 1 --log sqlite://", "'score'?"),
        ("replay", "--sample"),
        ("replay match-7.json --sample", "--sample"),
        ("publish match:1 {", "JSON"),
        ("publish match:1 null", "null"),
        (f"publish match:1 1 --key {'k' * 129}", "k" * 80),
        (f"publish match:1 1 --url http://{NOBODY}", f"http://{NOBODY}"),
        ("publish match:1 1 --url 127.0.0.1:8081", "'127.0.0.1:8081'"),
        ("publish match:1 1 --url http://h --log sqlite://", "--url and --log"),
        ("publish match:1 1 --config any-port.toml", "control_port"),
        ("publish goals:1 1 --log sqlite://", "'goals'"),
        ("publish match:1 1 --log kafka://127.0.0.1:1", "127.0.0.1:1"),
        ("tail match", "'match'"),
        ("tail match:1 --after 17", "'17'"),
        ("tail match:1 --codec xml", "--codec"),
        (f"tail match:1 --url ws://{NOBODY}/ws", NOBODY),
        ("tail match:1 --url nowhere", "nowhere"),
        ("tail match:1 --config any-port.toml", "--url"),
        ("replay nothing.json", "nothing.json"),
        ("replay empty.json", "empty.json"),
        ("replay match-7.json --room score:7", "--room match:7"),
        ("replay match-7.json --speed 0", "--speed"),
        ("simulate --matches 0", "--matches"),
        ("simulate --matches 201", "200"),
        ("demo --matches 201", "200"),
        ("tail match:1 --url ws://h/ws --log kafka://h:1", "--url and --log"),
        ("tail match:1 --log kafka://127.0.0.1:1", "127.0.0.1:1"),
        ("tail match:1 --log sqlite://", "sqlite://"),
        ("tail match:1 --log sqlite://nothing.db", "nothing.db"),
        ("tail goals:1 --log sqlite://", "'goals'"),
        ("topics --create --partitions 3 --log sqlite://", "sqlite.partitions"),
        ("topics --log kafka://127.0.0.1:1", "127.0.0.1:1"),
        ("topics --log nothing", "nothing"),
    ],
)
def test_a_mistake_is_one_line(line: str, named: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    out, err = capfd.readouterr()
    assert err.startswith("touchline: ")
    assert named in err
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_a_taken_port_is_one_line(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"--port": "0", "--control-port": "0"} | {option: str(port)}
        assert run(["serve", "--log", "sqlite://", *(part for pair in ports.items() for part in pair)]) == 2
    err = capsys.readouterr().err
    assert str(port) in err
    assert err.count("\n") == 1


def test_the_installed_command_does_the_same() -> None:
    done = run_process("publish", "match", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("touchline: 'match'")
    assert done.stderr.count("\n") == 1


def test_bytes_that_are_not_text_are_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["publish", "match:1", '"\udcff"']) == 2
    assert "UTF-8" in capfd.readouterr().err
