"""The README's commands, as they stand there, run one after the other against a broker and a server of the test's own.

Only addresses are put in: the broker's for ``localhost:9092``, and the server's ports, which are free ones here.
"""

import asyncio
import json
import re
import shlex
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import touchline
from cheatwatch.command import watching
from cli.processes import line_of, run, running, serving, stop
from matches.known import MADE_UP
from project.test_readme import ROOT, commands_in
from support.free_ports import free_ports
from support.kafka_broker import KafkaBroker

README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = commands_in(README)
LOCAL_URL = "ws://localhost:8080/ws"


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


def test_a_player_acts_and_cheatwatch_sees_it(kafka: KafkaBroker, tmp_path: Path) -> None:
    """The README's way of a player: a token, an action by the SDK, and cheatwatch, which judges it."""
    file = tmp_path / "touchline.toml"
    topics = {name: f"readme-player-{name}" for name in ("match", "actions", "verdicts")}
    file.write_text("".join(f'[{at}]\ntopic = "{topics[at.split(".")[-1]]}"\n' for at in TABLES))
    env = {"TOUCHLINE_CONFIG": str(file), "TOUCHLINE_AUTH__HS256_SECRET": "a secret of thirty-two bytes, or more"}
    log = ("--log", f"kafka://{kafka.address}")
    assert run("topics", "--create", *log, env=env).returncode == 0
    token = run(*the_command("touchline token"), env=env).stdout.strip()
    (metrics_port,) = free_ports(1)
    _, *watch = [arg.replace("localhost:9092", kafka.address) for arg in the_command("cheatwatch watch")]
    watch += ["--actions-topic", topics["actions"], "--verdicts-topic", topics["verdicts"]]
    watch += ["--feeds", f"match={topics['match']}", "--metrics-port", str(metrics_port), "--group", "readme-player"]
    with serving(*log, env=env) as server, watching(*watch):
        asyncio.run(_act(server.websocket_url, token))
        metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        while "cheatwatch_actions_total 1.0" not in urllib.request.urlopen(metrics).read().decode():
            time.sleep(0.05)


TABLES = ("feeds.match", "actions", "verdicts")


async def _act(url: str, token: str) -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "client.act(" in block)
    scope = {"touchline": touchline, "token": token}
    wrapped = f"async def act():\n{textwrap.indent(code.replace(LOCAL_URL, url), '    ')}"
    exec(wrapped, scope)  # what the README shows, as it stands there
    await scope["act"]()  # type: ignore[operator]


def test_a_plain_client_that_nobody_here_wrote_follows_a_room() -> None:
    """The README's ``python -m websockets``, typed into as its user does."""
    args = the_command("python -m websockets")
    with serving() as server:
        assert args[-1] == LOCAL_URL
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
