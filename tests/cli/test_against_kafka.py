"""The commands that work on Kafka directly, against a real broker."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cli.processes import complaints, line_of, run, running, serving, stop
from support.kafka_broker import LIMITED_USER, PASSWORD, KafkaBroker
from touchline_kafka.metadata.operations import Operation
from touchline_kafka.topics import HIDDEN
from touchline_server.cli.exit_codes import NOT_FOUND
from touchline_server.cli.topics.report import FIXED, MISSING


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Topics with names of this test's own."""
    file = tmp_path / "touchline.toml"
    name = tmp_path.name.replace("_", "-")
    topics = {"feeds.match": "match", "feeds.score": "score", "actions": "actions", "verdicts": "verdicts"}
    file.write_text("".join(f'[{table}]\ntopic = "{topic}-{name}"\n' for table, topic in topics.items()))
    return {"TOUCHLINE_CONFIG": str(file), "NAME": name}


@contextmanager
def served(kafka: KafkaBroker, env: dict[str, str]) -> Iterator[tuple[str, str]]:
    with serving("--log", f"kafka://{kafka.address}", env=env) as server:
        yield server.control_url, server.banner


def statuses(printed: str) -> dict[str, str]:
    """What the command said of each topic, up to the first finding."""
    listed = printed.partition("\nerror: ")[0].partition("\nwarning: ")[0].partition("\nnote: ")[0]
    return dict(line.split(": ", 1) for line in listed.splitlines())


def codes(printed: str) -> list[tuple[str, str]]:
    """The topic and the code of each finding, in the order in which they were printed."""
    return re.findall(r"^\w+: (\S+): .*\n .*\[(\w+)\]$", printed, re.MULTILINE)


def test_topics_are_listed_as_missing_then_created_then_listed(kafka: KafkaBroker, env: dict[str, str]) -> None:
    log = ("--log", f"kafka://{kafka.address}")
    names = [f"{topic}-{env['NAME']}" for topic in ("match", "score", "actions", "verdicts")]
    notes = ["", "", f", {FIXED}", ""]
    missing = run("topics", *log, env=env)
    assert (missing.returncode, missing.stderr) == (NOT_FOUND, "")
    assert statuses(missing.stdout) == dict.fromkeys(names, MISSING)
    assert codes(missing.stdout) == [(name, "topic_missing") for name in names]
    for args, word in ((("--create", "--partitions", "3"), "created"), (("--create",), "exists"), ((), "exists")):
        listed = run("topics", *args, *log, env=env)
        assert (listed.returncode, listed.stdout.splitlines()) == (
            0,
            [f"{name}: {word}, 3 partitions{note}" for name, note in zip(names, notes, strict=True)],
        )
    policies = [asyncio.run(kafka.config(name, "cleanup.policy")) for name in names]
    assert policies == ["delete", "delete", "delete", "compact"]


def test_topics_tells_a_missing_permission_from_a_missing_topic(kafka: KafkaBroker, env: dict[str, str]) -> None:
    hidden, missing, writable, unreadable = (
        f"{topic}-{env['NAME']}" for topic in ("match", "score", "actions", "verdicts")
    )
    for topic, policy in ((hidden, "delete"), (writable, "delete"), (unreadable, "compact")):
        asyncio.run(kafka.create(topic, 1, {"cleanup.policy": policy}))
    asyncio.run(kafka.allow(missing, Operation.DESCRIBE))
    for topic in (writable, unreadable):
        asyncio.run(kafka.allow(topic, Operation.WRITE, Operation.DESCRIBE_CONFIGS))
    user = {
        "TOUCHLINE_KAFKA__TLS": "true",
        "TOUCHLINE_KAFKA__CA_FILE": str(kafka.ca_file),
        "TOUCHLINE_KAFKA__SASL_MECHANISM": "PLAIN",
        "TOUCHLINE_KAFKA__SASL_USERNAME": LIMITED_USER,
        "TOUCHLINE_KAFKA__SASL_PASSWORD": PASSWORD,
    }
    listed = run("topics", "--log", f"kafka://{kafka.secure_address}", env=env | user)
    assert listed.returncode == NOT_FOUND
    found = codes(listed.stdout)
    assert found == [(hidden, "topic_refused"), (missing, "topic_missing"), (unreadable, "topic_permission")]
    assert HIDDEN in listed.stdout
    assert statuses(listed.stdout)[writable].startswith("exists, 1 partition"), "the server does not read actions"


@pytest.mark.parametrize("policy", ["compact,delete", pytest.param("delete", marks=pytest.mark.long)])
def test_a_verdicts_topic_that_is_not_compacted_causes_a_warning(
    kafka: KafkaBroker, env: dict[str, str], policy: str
) -> None:
    topic, log = f"verdicts-{env['NAME']}", ("--log", f"kafka://{kafka.address}")
    asyncio.run(kafka.create(topic, 2, {"cleanup.policy": policy}))
    for args in ((), ("--create",)):
        listed = run("topics", *args, *log, env=env)
        assert listed.returncode == NOT_FOUND
        assert (topic, "verdicts_deleted") in codes(listed.stdout)
    with serving(*log, env=env | {"TOUCHLINE_AUTH__HS256_SECRET": "x" * 32}) as server:
        _, _, err = stop(server.process)
    assert "cleanup.policy" in err
    assert topic in err
    with serving(*log, env=env) as server:  # without keys nobody can act, so verdicts do not matter
        assert "cleanup.policy" not in stop(server.process)[2]


def test_a_topic_that_takes_smaller_records_than_the_server_causes_a_warning(
    kafka: KafkaBroker, env: dict[str, str]
) -> None:
    topic, log = f"match-{env['NAME']}", ("--log", f"kafka://{kafka.address}")
    asyncio.run(kafka.create(topic, 1, {"max.message.bytes": "100000"}))
    assert (topic, "record_bytes") in codes(run("topics", *log, env=env).stdout)
    with serving(*log, env=env) as server:
        _, _, err = stop(server.process)
    assert [
        part for part in ("feeds.match.topic", "max.message.bytes", topic, "100000", "262144") if part not in err
    ] == []


def test_publishing_to_a_missing_topic_is_one_line(kafka: KafkaBroker, env: dict[str, str]) -> None:
    done = run("publish", "match:1", "1", "--log", f"kafka://{kafka.address}", env=env)
    assert done.returncode == 2
    assert f"match-{env['NAME']}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_events_published_into_kafka_are_served(kafka: KafkaBroker, env: dict[str, str]) -> None:
    log = ("--log", f"kafka://{kafka.address}")
    run("topics", "--create", "--partitions", "2", *log, env=env)
    done = run("publish", "score:7", '{"home": 1.0}', "--key", "score", *log, env=env)
    assert (done.returncode, complaints(done.stderr)) == (0, "")
    placed = json.loads(done.stdout)
    with served(kafka, env) as (control_url, banner):
        assert f"kafka://{kafka.address}" in banner
        known = httpx.get(f"{control_url}/v1/rooms/score:7")
    assert [(event["key"], event["offset"]) for event in known.json()["state"]] == [("score", placed["offset"])]
    assert '{"home": 1.0}' in known.text


def test_a_room_is_tailed_straight_from_kafka(kafka: KafkaBroker, env: dict[str, str]) -> None:
    log = ("--log", f"kafka://{kafka.address}")
    run("topics", "--create", "--partitions", "2", *log, env=env)
    for number in ("1", "2"):
        assert run("publish", "score:9", number, "--key", "score", *log, env=env).returncode == 0
    with running("tail", "score:9", *log, env=env) as tail:
        state = json.loads(line_of(tail.stdout, tail))
        assert (state["room"], state["data"], state["state"]) == ("score:9", 2, True)
        run("publish", "score:9", "3", *log, env=env)
        live = json.loads(line_of(tail.stdout, tail))
        assert (live["data"], live["offset"]) == (3, state["offset"] + 1)
        code, _, err = stop(tail, signal.SIGINT)
        assert (code, complaints(err)) == (130, "")
    epoch, _, _ = live["cursor"].partition(".")
    # The window is short, so that most events after the cursor must be read from the log.
    with running(
        "tail",
        "score:9",
        "--after",
        f"{epoch}.{state['offset'] - 1}",
        *log,
        env=env | {"TOUCHLINE_WINDOW_S": "1"},
    ) as again:
        assert [json.loads(line_of(again.stdout, again))["data"] for _ in range(2)] == [2, 3]


def test_a_tail_of_a_missing_topic_is_one_line(kafka: KafkaBroker, env: dict[str, str]) -> None:
    done = run("tail", "match:1", "--log", f"kafka://{kafka.address}", env=env)
    assert done.returncode == 2
    assert f"match-{env['NAME']}" in done.stderr
    assert done.stderr.count("\n") == 1
