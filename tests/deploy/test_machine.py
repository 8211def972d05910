"""The way of deploy/README.md from an empty Debian machine to a site that works, walked in such a machine."""

import re
from pathlib import Path

import pytest

from deploy.image import ROOT
from deploy.machine import Machine, Outcome
from deploy.page import block_commands
from support.kafka_broker import demand_kafka

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

SECTION = "## A Debian machine with your own Kafka"
VALUES = {"KAFKA=": "127.0.0.1:9092", "SITE=": "live.localhost", "COPIES=": "1"}
"""What this user has in place of the examples. Caddy has certificates of its own for names below localhost."""
STREAM_ENDED = 28
INSTALL_S_MAX = 600.0
RUN_S_MAX = 300.0
UNITS = ("touchline-edge", "touchline-keeper", "touchline-cheatwatch")

INSTALL_REDIS = ("apt-get install --yes --no-install-recommends redis-server",)
START_REDIS = (
    "systemctl start redis-server",
    "mkdir /etc/touchline",
    "echo TOUCHLINE_REDIS__URL=redis://127.0.0.1:6379/0 >/etc/touchline/keeper.env",
)
"""What keepers need, and the page does not say how to install."""
UNTIL_KEEPER_READY = ("curl --retry 60 --retry-all-errors --silent --show-error --fail http://127.0.0.1:8082/readyz",)


def written_by_user(command: str) -> str:
    """A command of the page with this user's values."""
    for name, value in VALUES.items():
        if command.startswith(name):
            return name + value
    return command


def wrong(outcomes: list[Outcome]) -> list[Outcome]:
    """The commands that have failed."""
    return [each for each in outcomes if each.code != (STREAM_ENDED if "--max-time" in each.command else 0)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folder = tmp_path / "machine"
    folder.mkdir(mode=0o755)
    machine = Machine(folder)
    (machine.root / "root/.curlrc").write_text("insecure\n")  # Caddy's own authority is in no browser
    return machine


def test_a_new_user_gets_from_an_empty_machine_to_a_site_that_works(machine: Machine, tmp_path: Path) -> None:
    demand_kafka()
    section = (ROOT / "deploy/README.md").read_text("utf-8").partition(SECTION)[2].partition("\n## ")[0]
    commands = [written_by_user(each) for each in block_commands(section)]
    installed = 1 + max(number for number, each in enumerate(commands) if re.search(r"apt-get|pip install", each))
    assert wrong(machine.install([*commands[:installed], *INSTALL_REDIS], INSTALL_S_MAX)) == []
    with machine.running(), machine.kafka(tmp_path / "kafka"):
        outcomes = machine.run([*START_REDIS, *commands[installed:]], RUN_S_MAX)
        assert wrong(outcomes) == [], machine.ask("journalctl", "--no-pager", "--lines=60")
        (stream,) = [each.output for each in outcomes if "--max-time" in each.command]
        assert '{"home": 1, "away": 0}' in stream
        assert wrong(machine.run(UNTIL_KEEPER_READY, RUN_S_MAX)) == [], machine.ask("journalctl", "--no-pager")
        shown = machine.ask("systemctl", "show", "--property=ActiveState,NRestarts,Result", *UNITS)
        assert [dict(line.split("=") for line in each.split()) for each in shown.split("\n\n")] == [
            {"ActiveState": "active", "NRestarts": "0", "Result": "success"}
        ] * len(UNITS)
