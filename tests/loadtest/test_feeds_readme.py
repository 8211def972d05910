"""The commands of loadtest/README.md for feeds, one after the other on a broker that has no topics yet."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from cli.processes import line_of, run, running, serving
from project.test_readme import ROOT, commands_in
from support.kafka_broker import KafkaBroker
from support.processes import environment

SECTION = (ROOT / "loadtest" / "README.md").read_text("utf-8").split("\n## Feeds")[1].split("\n## ")[0]
KAFKA = "localhost:9092"
CONTROL = "http://127.0.0.1:8081"
DEADLINE_S = 60.0


def feed(command: str, replaced: Mapping[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    """Run a command that publishes, with addresses of the test's own."""
    for old, new in replaced.items():
        command = command.replace(old, new)
    _, *arguments = shlex.split(command)
    return subprocess.run(
        [sys.executable, *arguments, *more],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def run_as_printed(command: str, env: Mapping[str, str]) -> None:
    """Run a `touchline` command to its end."""
    _, *arguments = shlex.split(command)
    done = run(*arguments, env=env)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long
def test_the_commands_for_feeds_work_and_say_what_is_missing_before(kafka_factory: Callable[[], KafkaBroker]) -> None:
    create, evening, export, create_again, serve, tracking, over_http = commands_in(SECTION)
    assert create == create_again
    name, _, value = export.removeprefix("export ").partition("=")
    env = {name: value.strip('"')}
    broker = kafka_factory()
    here = {KAFKA: broker.address}
    at_broker = [command.replace(KAFKA, broker.address) for command in (create, serve)]

    error = missing(feed(evening, here))
    assert {"match-events", "score-events"} <= set(re.findall(r"[\w-]+-events", error))
    assert re.findall(r"`(.*?)`", error) == [at_broker[0]]
    run_as_printed(at_broker[0], {})
    published(feed(evening, here, "--seconds", "1"))

    error = missing(feed(tracking, here))
    assert f"{name}={env[name]}" in error
    assert re.findall(r"`(.*?)`", error) == [at_broker[0]]
    run_as_printed(at_broker[0], env)
    _, _, *arguments = shlex.split(at_broker[1])
    with (
        serving(*arguments, env=env) as server,
        running("tail", "tracking:1", "--url", server.websocket_url) as tail,
    ):
        published(feed(tracking, here, "--seconds", "1"))
        assert "tracking:1" in line_of(tail.stdout, tail)
    with serving() as server, running("tail", "match:1", "--url", server.websocket_url) as tail:
        published(feed(over_http, {CONTROL: server.control_url}, "--speed", "100", "--seconds", "1"))
        assert "match:1" in line_of(tail.stdout, tail)


def missing(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that says which topics are missing."""
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    return line


def published(done: subprocess.CompletedProcess[str]) -> None:
    """The feed has published something."""
    assert (done.returncode, done.stderr) == (0, "")
    count = re.search(r"[\d,]+", done.stdout)
    assert count is not None
    assert int(count[0].replace(",", "")) > 0
