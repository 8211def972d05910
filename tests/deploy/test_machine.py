"""The way of deploy/README.md from an empty Debian machine to a site that works, walked in such a machine.

Then the commands of the other pages, in the same machine.
"""

import re
import shlex
from pathlib import Path

import pytest

from deploy.image import ROOT
from deploy.machine import Machine, Outcome
from deploy.page import block_commands, commands_checked
from support.kafka_broker import demand_kafka

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

SECTION = "## A Debian machine with your own Kafka"
VALUES = {"KAFKA=": "127.0.0.1:9092", "SITE=": "live.localhost", "COPIES=": "1"}
"""What this user has in place of the examples. Caddy has certificates of its own for names below localhost."""
PLACEHOLDERS = {
    "live.example.org": "live.localhost",
    "http://EDGE:": "http://127.0.0.1:",
    "PLAYER": "alice",
    "--log URL": "--log kafka://127.0.0.1:9092",
}
STREAM_ENDED = 28
ENDLESS = re.compile(r"touchline (serve|keeper|tail) |curl -N ")
SERVER = re.compile(r"until_shown \S+ touchline (serve|keeper) ")
SHOWN = {
    "curl --no-buffer ": '{"home": 1, "away": 0}',
    "curl -N ": '"home"',
    "touchline tail ": '"home"',
    "curl -i ": "HTTP/2 404",
    "-d '": '"offsets"',
    "/metrics": "touchline_ready 1",
    "/readyz": '"ready":true',
    "touchline serve ": "server_ready",
    "touchline keeper ": "keeper_ready",
    "ACL SETUSER": "OK",
}
"""What commands print, by a part of them. The first that fits counts."""
INSTALL_S_MAX = 900.0
RUN_S_MAX = 300.0
UNITS = ("touchline-edge", "touchline-keeper", "touchline-cheatwatch")

INSTALL_REDIS = ("apt-get install --yes --no-install-recommends redis-server",)
START_REDIS = (
    "systemctl start redis-server",
    "mkdir /etc/touchline",
    "echo TOUCHLINE_REDIS__URL=redis://127.0.0.1:6379/0 >/etc/touchline/keeper.env",
)
"""What keepers need, and the page does not say how to install."""
KEEPER_READY = ("curl --retry 60 --retry-all-errors --silent --show-error --fail http://127.0.0.1:8082/readyz",)
UNTIL_SHOWN = """until_shown() {
    shown=$1; shift; "$@" >/tmp/shown 2>&1 & pid=$!
    for look in $(seq 900); do grep --quiet --fixed-strings -e "$shown" /tmp/shown && break; sleep 0.1; done
    kill $pid; wait $pid; cat /tmp/shown; grep --quiet --fixed-strings -e "$shown" /tmp/shown
}"""
AT_HOME = (
    UNTIL_SHOWN,
    "cd /etc/touchline",
    "ln -s /root/touchline/deploy deploy",
    "echo 127.0.0.1 live.localhost >>/etc/hosts",
    "export TOUCHLINE_CONFIG=/etc/touchline/touchline.toml",
    "export SSL_CERT_FILE=$(find /var/lib/caddy -name root.crt)",
    "export TOUCHLINE_REDIS__URL=redis://127.0.0.1:6379/0",
    "key=$(sed -n s/^TOUCHLINE_API_KEYS=//p edge.env)",
    """echo "header = \\"Authorization: Bearer $key\\"" >>/root/.curlrc""",
    "touchline publish score:1 1 --log sqlite:////var/lib/touchline/touchline.db",
)
"""Where the other pages' readers are: in the folder with their settings, with their key, and with an embedded log."""


def written_by_user(command: str) -> str:
    """A command of the way with this user's values."""
    return next((name + value for name, value in VALUES.items() if command.startswith(name)), command)


def written_later(command: str) -> str:
    """A command of another page with this user's values. One that would never end does so once it has shown enough."""
    for placeholder, value in PLACEHOLDERS.items():
        command = command.replace(placeholder, value)
    return f"until_shown {shlex.quote(shown_by(command))} {command}" if ENDLESS.match(command) else command


def wrong(outcomes: list[Outcome]) -> list[Outcome]:
    """The commands that have failed, or have not shown what they should."""
    return [
        each for each in outcomes if each.code != code_of(each.command) or shown_by(each.command) not in each.output
    ]


def code_of(command: str) -> int:
    return STREAM_ENDED if "--max-time" in command else 0


def shown_by(command: str) -> str:
    """What a command has to print."""
    return next((shown for part, shown in SHOWN.items() if part in command), "")


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
    walked = set(block_commands(section))
    others = [written_later(each.text) for each in commands_checked("machine") if each.text not in walked]
    others = list(dict.fromkeys(others))
    servers = [each for each in others if SERVER.match(each)]
    installed = 1 + max(number for number, each in enumerate(commands) if re.search(r"apt-get|pip install", each))
    assert wrong(machine.install([*commands[:installed], *INSTALL_REDIS], INSTALL_S_MAX)) == []
    with machine.running(), machine.kafka(tmp_path / "kafka"):
        started = machine.run([*START_REDIS, *commands[installed:], *KEEPER_READY], RUN_S_MAX)
        assert wrong(started) == [], machine.ask("journalctl", "--no-pager", "--lines=60")
        shown = machine.ask("systemctl", "show", "--property=ActiveState,NRestarts,Result", *UNITS)
        assert [dict(line.split("=") for line in each.split()) for each in shown.split("\n\n")] == [
            {"ActiveState": "active", "NRestarts": "0", "Result": "success"}
        ] * len(UNITS)
        beside = [each for each in others if each not in servers]
        instead = [f"systemctl stop {' '.join(UNITS)}", *servers]
        assert wrong(machine.run([*AT_HOME, *beside, *instead], RUN_S_MAX)) == []
