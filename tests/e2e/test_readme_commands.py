"""The README's commands, as they stand there, run one after the other against a broker and a server of the test's own.

Only addresses are put in: the broker's for ``localhost:9092``, and the server's ports, which are free ones here.
"""

import asyncio
import json
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cheatwatch.command import watching
from cli.processes import complaints, line_of, run, running, serving, stop
from project.test_readme import ROOT, commands_in
from support.browser import launched_browser, open_page
from support.kafka_broker import KafkaBroker
from support.processes import environment
from support.waiting import DEADLINE_S
from touchline_loadtest.free_ports import free_ports

README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = commands_in(README)
LOCAL_URL = "ws://localhost:8080/ws"


def snippets(language: str) -> list[str]:
    """The README's blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def the_command(start: str) -> list[str]:
    """The arguments of the README's one command that begins so."""
    found = list(dict.fromkeys(command for command in COMMANDS if command.startswith(start)))
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
    assert (made.returncode, complaints(made.stderr)) == (0, "")
    _, *serve = at_the_broker("touchline serve")
    with serving(*serve, env=env) as server:
        to_edge, to_control = ("--url", server.websocket_url), ("--url", server.control_url)
        with running(*the_command("touchline tail"), *to_edge, env=env) as tail:
            published = run(*the_command("touchline publish"), *to_control, env=env)
            assert (published.returncode, complaints(published.stderr)) == (0, "")
            shown = json.loads(line_of(tail.stdout, tail))
            assert (shown["room"], shown["key"], shown["data"]) == ("score:15946", "score", {"home": 1, "away": 0})
        replay = the_command("touchline replay")
        replay[replay.index("60")] = "6000"
        replayed = run(*replay, *to_control, env=env)
        assert replayed.returncode == 0, replayed.stderr
        with _tailing("match:15946", server.websocket_url, env) as events:
            assert json.loads(next(events))["room"] == "match:15946"
        with (
            running(*the_command("touchline simulate"), *to_control, env=env) as simulate,
            _tailing("match:1005", server.websocket_url, env) as events,
        ):
            assert json.loads(next(events))["room"] == "match:1005"
            assert stop(simulate)[2].count("Traceback") == 0


def test_a_player_acts_and_cheatwatch_sees_it(kafka: KafkaBroker, tmp_path: Path) -> None:
    """The README's way of a player: a secret, a token, an action by the SDK, and cheatwatch, which judges it."""
    file = tmp_path / "touchline.toml"
    topics = {name: f"readme-player-{name}" for name in ("match", "actions", "verdicts")}
    file.write_text("".join(f'[{at}]\ntopic = "{topics[at.split(".")[-1]]}"\n' for at in TABLES))
    secret, create_token = _exported("TOUCHLINE_AUTH__HS256_SECRET"), _exported("TOUCHLINE_TOKEN")
    env = {"TOUCHLINE_CONFIG": str(file), "TOUCHLINE_AUTH__HS256_SECRET": secret}
    log = ("--log", f"kafka://{kafka.address}")
    assert run("topics", "--create", *log, env=env).returncode == 0
    _, *token_command = shlex.split(create_token.removeprefix("$(").removesuffix(")"))
    token = run(*token_command, env=env).stdout.strip()
    (metrics_port,) = free_ports(1)
    _, *watch = [arg.replace("localhost:9092", kafka.address) for arg in the_command("cheatwatch watch")]
    watch += ["--actions-topic", topics["actions"], "--verdicts-topic", topics["verdicts"]]
    watch += ["--feeds", f"match={topics['match']}", "--metrics-port", str(metrics_port), "--group", "readme-player"]
    with serving(*log, env=env) as server, watching(*watch):
        (act,) = [snippet for snippet in snippets("python") if "client.act(" in snippet]
        with _python(act, server.websocket_url, TOUCHLINE_TOKEN=token) as process:
            assert "alice" in line_of(process.stdout, process)
            assert process.wait() == 0
        metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        while "cheatwatch_actions_total 1.0" not in urllib.request.urlopen(metrics).read().decode():
            time.sleep(0.05)


TABLES = ("feeds.match", "actions", "verdicts")


def _exported(variable: str) -> str:
    """The value that the README has a variable exported with: the same wherever it does."""
    (value,) = {
        command.split("=", 1)[1].strip('"') for command in COMMANDS if command.startswith(f"export {variable}=")
    }
    return value


@contextmanager
def _python(snippet: str, url: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a snippet as a program of its own, with the server's address in place of the README's."""
    assert LOCAL_URL in snippet
    with subprocess.Popen(
        [sys.executable, "-u", "-c", snippet.replace(LOCAL_URL, url)],
        env=environment() | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_python_client_follows_a_room() -> None:
    (watch,) = [snippet for snippet in snippets("python") if "client.subscribe(" in snippet]
    with serving() as server:
        run("publish", "score:15946", '{"home": 2}', "--key", "score", "--url", server.control_url)
        with _python(watch, server.websocket_url) as process:
            assert line_of(process.stdout, process) == "score {'home': 2}\n"
            process.send_signal(signal.SIGINT)  # Ctrl-C
            assert process.communicate(timeout=DEADLINE_S) == ("", "")
            assert process.returncode == 0


def test_activating_the_environment_puts_both_commands_on_the_path() -> None:
    (activate,) = [command for command in COMMANDS if command.endswith("activate")]
    script = f"{activate} && command -v touchline cheatwatch python"
    found = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found.split() == [str(ROOT / ".venv" / "bin" / name) for name in ("touchline", "cheatwatch", "python")]


async def test_a_browser_follows_a_room_as_server_sent_events() -> None:
    (snippet,) = snippets("js")
    with serving() as server:
        address = server.websocket_url.replace("ws://", "http://").removesuffix("/ws")
        async with launched_browser() as browser, open_page(browser) as page:
            await page.goto(f"{server.control_url}/healthz")  # any page of the same host
            async with page.expect_console_message(lambda line: "subscribed" in line.text):
                await page.evaluate(f"() => {{ {snippet.replace('http://localhost:8080', address)} }}")
            async with page.expect_console_message(lambda line: "event" in line.text):
                args = ("publish", "score:15946", '{"home": 2}', "--url", server.control_url)
                assert (await asyncio.to_thread(run, *args)).returncode == 0


def test_a_plain_client_that_nobody_here_wrote_follows_a_room() -> None:
    """The README's ``python -m websockets``, typed into as its user does."""
    args = the_command("python -m websockets")
    with serving() as server:
        assert args[-1] == LOCAL_URL
        command = [sys.executable, *args[:-1], server.websocket_url]
        (typed,) = snippets("json")
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as client:
            assert client.stdin is not None
            client.stdin.write(typed)
            client.stdin.flush()
            _until(client, '"type":"subscribed"')
            run("publish", "score:15946", '{"home": 2}', "--url", server.control_url)
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
            run("publish", "score:15946", '{"home": 2}', "--url", server.control_url)
            _until(client, '"data":{"home": 2}')
            client.terminate()


def _until(client: "subprocess.Popen[str]", text: str) -> None:
    while text not in line_of(client.stdout, client):
        pass


@contextmanager
def _tailing(room: str, url: str, env: dict[str, str]) -> Iterator[Iterator[str]]:
    with running("tail", room, "--last", "1", "--url", url, env=env) as tail:
        yield iter(lambda: line_of(tail.stdout, tail), "")
