"""deploy/kafka/users.sh: with the users that it creates each role can do its work, and nothing else."""

import asyncio
import contextlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from deploy.image import ROOT
from deploy.page import commands_checked
from support.kafka_broker import KafkaBroker
from support.processes import environment, touchline_command
from support.redis_server import RedisServer
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.rig.kafka.java import JARS

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PASSWORDS = {
    "touchline-edge": "EDGE_PASSWORD",
    "touchline-keeper": "KEEPER_PASSWORD",
    "cheatwatch": "CHEATWATCH_PASSWORD",
    "touchline-producer": "PRODUCER_PASSWORD",
}
PROGRAMS = {
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-leader-election.sh": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
"""Kafka's commands are in no registry of packages; the classes that they start are."""
START_S = 180.0


def with_kafka(folder: Path, *command: str | Path, **variables: str) -> str:
    """The output of a command that finds Kafka's own programs."""
    for name, main in PROGRAMS.items():
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -cp "{JARS}/*" {main} "$@"\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        command, env=os.environ | variables | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def create_users(broker: KafkaBroker, folder: Path) -> None:
    """Run the script."""
    passwords = {variable: f"password-of-{user}" for user, variable in PASSWORDS.items()}
    with_kafka(folder, ROOT / "deploy/kafka/users.sh", "--bootstrap-server", broker.address, **passwords)


def variables(broker: KafkaBroker, user: str) -> dict[str, str]:
    """How a server logs in as a user."""
    return {
        "TOUCHLINE_LOG": f"kafka://{broker.secure_address}",
        "TOUCHLINE_KAFKA__TLS": "true",
        "TOUCHLINE_KAFKA__CA_FILE": str(broker.ca_file),
        "TOUCHLINE_KAFKA__TLS_CHECK_HOSTNAME": "false",
        "TOUCHLINE_KAFKA__SASL_MECHANISM": "SCRAM-SHA-256",
        "TOUCHLINE_KAFKA__SASL_USERNAME": user,
        "TOUCHLINE_KAFKA__SASL_PASSWORD": f"password-of-{user}",
    }


def command(*words: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    """A command of Touchline, run to completion."""
    module = [sys.executable, "-m", "touchline_server", *words]
    return subprocess.run(
        module, env=environment() | extra, capture_output=True, text=True, check=False, timeout=START_S
    )


@contextlib.asynccontextmanager
async def running(module: str, *words: str, until: bytes, variables: Mapping[str, str]) -> AsyncIterator[None]:
    """A process that has printed something, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment() | {"PYTHONUNBUFFERED": "1"} | dict(variables),
    )
    assert process.stdout is not None
    printed = b""
    try:
        async with asyncio.timeout(START_S):
            while until not in printed:
                line = await process.stdout.readline()
                assert line, printed.decode()
                printed += line
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_each_role_works_with_its_user_and_can_do_nothing_else(
    kafka_factory: Callable[..., KafkaBroker], redis: RedisServer, tmp_path: Path
) -> None:
    broker = kafka_factory(secure=True)
    await touchline_command("topics", "--create", "--log", f"kafka://{broker.address}")
    await asyncio.to_thread(create_users, broker, tmp_path)

    edge, keeper, producer = (variables(broker, f"touchline-{role}") for role in ("edge", "keeper", "producer"))
    topics = await asyncio.to_thread(command, "topics", **edge)
    assert topics.returncode == 0, topics.stdout
    publish = ("publish", "score:1", "1", "--log", edge["TOUCHLINE_LOG"])
    assert (await asyncio.to_thread(command, *publish, **producer)).returncode == 0
    assert (await asyncio.to_thread(command, *publish, **edge)).returncode == 0
    assert (await asyncio.to_thread(command, *publish, **keeper)).returncode != 0
    refused = await asyncio.to_thread(command, "topics", **producer)
    assert refused.returncode != 0  # it may read nothing
    assert "topic_permission" in refused.stdout

    port, control_port, keeper_port = free_ports(3)
    serve = ("serve", "--port", str(port), "--control-port", str(control_port))
    keep = ("keeper", "--port", str(keeper_port))
    shared = {"TOUCHLINE_REDIS__URL": redis.url}
    rules = tmp_path / "cheatwatch.toml"
    rules.write_text(
        re.sub(r"^\[kafka\]\n(?:[^\[].*\n|\n)*", "", (ROOT / "deploy/cheatwatch.toml").read_text(), flags=re.MULTILINE)
        + f'\n[kafka]\ntls = true\nca_file = "{broker.ca_file}"\ntls_check_hostname = false\n'
        + 'sasl_mechanism = "SCRAM-SHA-256"\nsasl_username = "cheatwatch"\nsasl_password = "password-of-cheatwatch"\n'
    )
    watch = ("watch", "--log", f"kafka://{broker.secure_address}", "--rules", str(rules), "--json")
    async with (
        running("touchline_server", *serve, until=b"control ", variables=edge),
        running("touchline_server", *keep, until=b"keeper_ready", variables=keeper | shared),
        running("touchline_cheatwatch", *watch, until=b'"watching"', variables={}),
    ):
        # With cheatwatch's group and a topic that are there, the commands of the runbook work too.
        for each in commands_checked("kafka"):
            words = [{"KAFKA": broker.address, "TOPIC": "match-events", "PARTITION": "0"}.get(w, w) for w in each.words]
            await asyncio.to_thread(with_kafka, tmp_path, *words)
