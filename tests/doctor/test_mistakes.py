"""Mistakes made on purpose, in a real Kafka, a real Redis and a configuration: the command finds each, by its code."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.processes import run
from support.certificates import EXPIRED, Authority
from support.kafka_broker import LIMITED_USER, PASSWORD, KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.log_harness import Raw
from support.redis_kinds import cli
from support.redis_server import RedisServer
from touchline_kafka.metadata.operations import Operation
from touchline_server.cli.exit_codes import NOT_FOUND, USER_ERROR
from touchline_server.config.settings import Settings
from touchline_server.doctor.finding import Severity
from touchline_server.doctor.probes.kafka import look_at_kafka
from touchline_server.doctor.probes.port import port_has_tls
from touchline_server.doctor.rules.kafka import kafka_findings

Factory = Callable[..., RedisServer]

SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture
def topics(tmp_path: Path) -> dict[str, str]:
    """Topics with names of this test's own, by what they are for."""
    name = tmp_path.name.replace("_", "-")
    return {use: f"{use}-{name}" for use in ("match", "score", "actions", "verdicts")}


def written(tmp_path: Path, topics: dict[str, str], options: str = "", tables: str = "") -> tuple[str, str]:
    """A configuration with these topics; returns the arguments that name it."""
    file = tmp_path / "touchline.toml"
    named = {"feeds.match": "match", "feeds.score": "score", "actions": "actions", "verdicts": "verdicts"}
    lines = [f'[{table}]\ntopic = "{topics[use]}"' for table, use in named.items()]
    file.write_text("\n".join([options, *lines, f'[auth]\nhs256_secret = "{SECRET}"', tables]))
    return "--config", str(file)


def findings(*args: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """The exit code, and the findings by code and subject."""
    done = run("doctor", "--json", *args)
    assert done.stderr == ""
    found = json.loads(done.stdout)["findings"]
    return done.returncode, {(one["code"], one["subject"]): one for one in found}


async def prepare_kafka(kafka: KafkaBroker, topics: dict[str, str]) -> None:
    """A feed that this user may not read, one that is compacted, no actions, and verdicts that Kafka deletes."""
    await kafka.create(topics["match"], 1, {"retention.ms": "1000", "message.timestamp.type": "LogAppendTime"})
    await kafka.create(topics["score"], 3, {"cleanup.policy": "compact"})
    await kafka.create(topics["verdicts"], 1)
    for use, operations in {
        "match": (Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS),
        "score": (Operation.READ, Operation.WRITE, Operation.DESCRIBE_CONFIGS),
        "actions": (Operation.DESCRIBE,),
        "verdicts": (Operation.READ, Operation.DESCRIBE_CONFIGS),
    }.items():
        await kafka.allow(topics[use], *operations)


def test_each_mistake_is_found_by_its_code_and_has_a_cure(
    kafka: KafkaBroker, redis_factory: Factory, tmp_path: Path, topics: dict[str, str]
) -> None:
    asyncio.run(prepare_kafka(kafka, topics))
    future_ms = int(time.time() * 1000) + 60_000
    asyncio.run(KafkaHarness(kafka).append(topics["score"], [Raw(b"room", b"{}", timestamp=future_ms)]))
    redis = redis_factory("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    cli(redis.port, "acl", "setuser", "half", "on", f">{PASSWORD}", "~touchline:*", "+@all", "-zadd", "-hincrby")
    authority = Authority.at(tmp_path / "ca")
    certificate = authority.issue(tmp_path / "expired", "localhost", validity=EXPIRED).bundle
    config = written(
        tmp_path,
        topics,
        f"""
log = "kafka://{kafka.secure_address}"
control_host = "0.0.0.0"
publish_without_key = true
connections_max = 900000
workers = 64
heartbeat_s = 300
""",
        f"""
[kafka]
tls = true
ca_file = "{kafka.ca_file}"
sasl_mechanism = "PLAIN"
sasl_username = "{LIMITED_USER}"
sasl_password = "{PASSWORD}"
rack = "elsewhere"
[redis]
url = "redis://half:{PASSWORD}@127.0.0.1:{redis.port}"
[tls]
cert_file = "{certificate}"
""",
    )
    code, found = findings(*config)
    assert code == NOT_FOUND
    mistakes = {
        ("topic_permission", topics["match"]),
        ("retention_short", topics["match"]),
        ("append_times", topics["match"]),
        ("one_partition", topics["match"]),
        ("feed_compacted", topics["score"]),
        ("rooms_forgotten", topics["score"]),
        ("clock", topics["score"]),
        ("topic_missing", topics["actions"]),
        ("verdicts_deleted", topics["verdicts"]),
        ("rack_unknown", "kafka.rack"),
        ("group_refused", "touchline-keeper"),
        ("redis_evicts", "maxmemory-policy"),
        ("redis_permission", "ZADD"),
        ("redis_permission", "HINCRBY"),
        ("certificate_expired", "tls.cert_file"),
        ("open_files", "ulimit -n"),
        ("workers_many", "workers"),
        ("publish_open", "publish_without_key"),
        ("settings_conflict", "heartbeat_s"),
    }
    assert mistakes <= found.keys(), mistakes - found.keys()
    assert all(one["cure"] for one in found.values())
    order = ["error", "warning", "note"]
    severities = [order.index(one["severity"]) for one in found.values()]
    assert severities == sorted(severities)


def test_a_configuration_that_fits_has_no_error(
    kafka: KafkaBroker, redis: RedisServer, tmp_path: Path, topics: dict[str, str]
) -> None:
    for use, topic in topics.items():
        asyncio.run(kafka.create(topic, 3, {"cleanup.policy": "compact"} if use == "verdicts" else {}))
    options = f'log = "kafka://{kafka.address}"\nconnections_max = 1000'
    config = written(tmp_path, topics, options, f'[redis]\nurl = "{redis.url}"')
    code, found = findings(*config)
    assert [key for key, one in found.items() if one["severity"] == "error"] == []
    assert code == 0
    assert "-doctor" not in cli(redis.port, "keys", "*doctor*"), "the key that it tried commands on is still there"
    as_text = run("doctor", "--strict", *config)
    warnings = [one for one in found.values() if one["severity"] == "warning"]
    assert as_text.returncode == (NOT_FOUND if warnings else 0)
    assert all(one["cure"] in as_text.stdout for one in found.values())


def test_systems_that_are_away_and_ones_that_refuse_are_told_apart(
    kafka: KafkaBroker, redis_factory: Factory, tmp_path: Path, topics: dict[str, str]
) -> None:
    redis = redis_factory("--requirepass", PASSWORD)
    refused = written(
        tmp_path,
        topics,
        f'log = "kafka://{kafka.secure_address}"',
        f'[kafka]\ntls = true\nca_file = "{kafka.ca_file}"\nsasl_mechanism = "PLAIN"\nsasl_username = "nobody"\n'
        f'sasl_password = "wrong"\n[redis]\nurl = "redis://:wrong@127.0.0.1:{redis.port}"',
    )
    code, found = findings(*refused)
    assert code == NOT_FOUND
    assert {("kafka_refused", "log"), ("redis_refused", "redis.url")} <= found.keys()
    assert not any(topic in subject for _, subject in found for topic in topics.values()), "nothing is known of them"
    redis.stop()
    away = written(
        tmp_path,
        topics,
        'log = "kafka://127.0.0.1:1"',
        f'[kafka]\nconnect_timeout_s = 0.2\n[redis]\nurl = "redis://127.0.0.1:{redis.port}"',
    )
    code, found = findings(*away)
    assert code == NOT_FOUND
    assert {("kafka_away", "log"), ("redis_away", "redis.url")} <= found.keys()


async def test_records_that_kafka_deletes_by_size_before_they_leave_the_window_are_found(
    kafka: KafkaBroker, topics: dict[str, str]
) -> None:
    topic = topics["score"]
    await kafka.create(topic, 2, {"retention.bytes": "1000000"})
    harness = KafkaHarness(kafka)
    before_ms = int(time.time() * 1000) - 10_000
    records = [Raw(b"room", b"{}", timestamp=before_ms + 1000 * number) for number in range(6)]
    await harness.append(topic, records, partition=0)
    settings = Settings(log=f"kafka://{kafka.address}", feeds={"score": {"topic": topic}})  # type: ignore[dict-item]

    async def severities() -> list[Severity]:
        facts = await look_at_kafka(settings, [topic], readable=[topic])
        return [one.severity for one in kafka_findings(settings, facts) if one.code == "retention_bytes"]

    assert await severities() == [Severity.WARNING]
    await kafka.trim(topic, 0, 3)
    assert await severities() == [Severity.ERROR]


async def test_brokers_tell_their_time_and_whether_they_create_topics(kafka: KafkaBroker) -> None:
    settings = Settings(log=f"kafka://{kafka.address}")
    facts = await look_at_kafka(settings, [], clock_s=lambda: time.time() - 120)
    assert facts.clock_off_s == pytest.approx(120, abs=1 + facts.round_trip_s)
    assert facts.creates_topics is False


async def test_a_port_with_tls_is_told_from_one_without(kafka: KafkaBroker, redis: RedisServer) -> None:
    assert await port_has_tls(["127.0.0.1:1", kafka.secure_address]) is True
    assert await port_has_tls([kafka.address]) is False
    assert await port_has_tls([f"127.0.0.1:{redis.port}"]) is False
    assert await port_has_tls(["127.0.0.1:1"]) is None


def test_a_replica_and_a_wrong_kind_of_port_are_named(
    kafka: KafkaBroker, redis_factory: Factory, tmp_path: Path, topics: dict[str, str]
) -> None:
    primary = redis_factory()
    replica = redis_factory("--replicaof", "127.0.0.1", str(primary.port))
    options = f'log = "kafka://{kafka.address}"'
    tables = f'[kafka]\ntls = true\nconnect_timeout_s = 0.2\n[redis]\nurl = "{replica.url}"'
    code, found = findings(*written(tmp_path, topics, options, tables))
    assert code == NOT_FOUND
    errors = [key for key, one in found.items() if one["severity"] == "error"]
    assert errors == [("kafka_tls", "kafka.tls"), ("redis_replica", "redis.url")]


@pytest.mark.parametrize("log", ["nonsense", "redis://x", "/tmp/x.db", "sqlite:///a/folder/"])
def test_an_address_of_no_log_is_refused_as_the_server_refuses_it(log: str) -> None:
    doctor, server = run("doctor", "--log", log), run("serve", "--log", log)
    assert doctor.returncode == server.returncode == USER_ERROR
    assert server.stderr.endswith(doctor.stderr)


def test_an_embedded_log_that_cannot_be_used_is_found(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database " * 1000)
    for path in (tmp_path / "missing/touchline.db", damaged):
        code, found = findings("--log", f"sqlite://{path}")
        assert code == NOT_FOUND
        assert ("log_file", str(path)) in found
    code, found = findings("--log", f"sqlite://{tmp_path}/new.db")
    assert not [key for key in found if key[0] == "log_file"]
    assert code == 0
