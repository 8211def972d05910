"""The README's commands, as they stand there, run one after the other against a broker and a server of the test's own.

Only addresses are put in: the broker's for ``localhost:9092``, and the server's ports, which are free ones here.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.running import line_of, run, running, serving, stop
from kafka_broker import KafkaBroker
from project.test_readme import ROOT, commands_in
from sources.matches import MADE_UP

COMMANDS = commands_in((ROOT / "README.md").read_text("utf-8"))


def the_command(start: str) -> list[str]:
    """The arguments of the README's one command that begins so."""
    found = [command for command in COMMANDS if command.startswith(start)]
    assert len(found) == 1, f"the README has {found}"
    return shlex.split(found[0])[1:]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Topics of the test's own names, since the broker is shared."""
    file = tmp_path / "touchline.toml"
    file.write_text('[feeds]\nmatch = { topic = "readme-match" }\nscore = { topic = "readme-score" }\n')
    return {"TOUCHLINE_CONFIG": str(file)}


def test_the_commands_for_kafka_work_one_after_the_other(kafka: KafkaBroker, env: dict[str, str]) -> None:
    def at_the_broker(start: str) -> list[str]:
        args = [arg.replace("localhost:9092", kafka.address) for arg in the_command(start)]
        assert f"kafka://{kafka.address}" in args
        return args

    made = run(*at_the_broker("touchline topics --create"), env=env)
    assert (made.returncode, made.stderr) == (0, "")
    _, *serve = at_the_broker("touchline serve")
    with serving(*serve, env=env) as server:
        to_edge, to_control = ("--url", server.websocket_url), ("--server", server.control_url)
        with running(*the_command("touchline tail"), *to_edge, env=env) as tail:
            published = run(*the_command("touchline publish"), *to_control, env=env)
            assert (published.returncode, published.stderr) == (0, "")
            shown = json.loads(line_of(tail.stdout, tail))
            assert (shown["room"], shown["key"], shown["data"]) == ("score:15946", "score", {"home": 1, "away": 0})
        replay = the_command("touchline replay")
        replay[replay.index("match-15946.events.json")] = str(MADE_UP.path)
        replay[replay.index("60")] = "6000"
        replayed = run(*replay, *to_control, env=env)
        assert replayed.returncode == 0, replayed.stderr
        with (
            running(*the_command("touchline simulate"), *to_control, env=env) as simulate,
            _tailing("match:1005", server.websocket_url, env) as events,
        ):
            assert json.loads(next(events))["room"] == "match:1005"
            assert stop(simulate)[2].count("Traceback") == 0


def test_a_plain_client_that_nobody_here_wrote_follows_a_room() -> None:
    """The README's ``python -m websockets``, typed into as its user does."""
    args = the_command("python -m websockets")
    with serving() as server:
        assert args[-1] == "ws://localhost:8080/ws"
        command = [sys.executable, *args[:-1], server.websocket_url]
        typed = '{"type": "hello"}\n{"type": "subscribe", "rooms": [{"room": "score:15946"}]}\n'
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as client:
            assert client.stdin is not None
            client.stdin.write(typed)
            client.stdin.flush()
            _until(client, '"type":"subscribed"')
            run("publish", "score:15946", '{"home": 2}', "--server", server.control_url)
            _until(client, '"data":{"home": 2}')
            client.terminate()


def test_curl_follows_a_room_as_server_sent_events() -> None:
    *options, url = the_command("curl")
    assert url.startswith("http://localhost:8080/")
    with serving() as server:
        address = server.websocket_url.replace("ws://", "http://").removesuffix("/ws")
        command = ["curl", "--silent", *options, url.replace("http://localhost:8080", address)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
            _until(client, '"type":"subscribed"')
            run("publish", "score:15946", '{"home": 2}', "--server", server.control_url)
            _until(client, '"data":{"home": 2}')
            client.terminate()


def _until(client: "subprocess.Popen[str]", text: str) -> None:
    while text not in line_of(client.stdout, client):
        pass


@contextmanager
def _tailing(room: str, url: str, env: dict[str, str]) -> Iterator[Iterator[str]]:
    with running("tail", room, "--last", "1", "--url", url, env=env) as tail:
        yield iter(lambda: line_of(tail.stdout, tail), "")
