"""The doctor's rules, without any broker."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_server.config.keeper import KeeperSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.config.settings import Settings
from touchline_server.config.tables import AuthSettings, KafkaSettings
from touchline_server.doctor.facts import (
    CertificateFacts,
    KafkaFacts,
    MachineFacts,
    RedisFacts,
    RedisServer,
    TopicFacts,
    Trouble,
)
from touchline_server.doctor.finding import Finding, Severity, by_importance
from touchline_server.doctor.report import as_json, as_text
from touchline_server.doctor.rules.kafka import kafka_findings
from touchline_server.doctor.rules.machine import DAY_S, machine_findings
from touchline_server.doctor.rules.redis import redis_findings
from touchline_server.doctor.rules.topics import uses

KAFKA = Settings(log="kafka://127.0.0.1:9092", connections_max=1000)
TOPIC = TopicFacts(partitions=8, replicas=3, options={"min.insync.replicas": "2", "retention.ms": "604800000"})
CERTIFICATE = CertificateFacts(ends_s=90 * DAY_S, names=("localhost",))
MACHINE = MachineFacts(cpus=1, memory_bytes=8 << 30, open_files_max=100_000)


def of_kafka(brokers: int = 3, settings: Settings = KAFKA, **changes: Any) -> set[str]:
    """The codes for a cluster whose topics all have these facts."""
    topics = dict.fromkeys(uses(settings), TOPIC._replace(**changes))
    return {one.code for one in kafka_findings(settings, KafkaFacts(brokers=brokers, topics=topics))}


def of_redis(**server: Any) -> set[str]:
    found = redis_findings(KAFKA, RedisFacts(servers=[RedisServer(**server)]))
    return {one.code for one in found}


def of_machine(settings: Settings = KAFKA, **changes: Any) -> dict[str, Severity]:
    found = machine_findings(settings, MACHINE._replace(**changes))
    return {one.code: one.severity for one in found if one.code != "no_token_keys"}


def test_nothing_is_found_where_everything_fits() -> None:
    assert of_kafka() == set()
    assert of_redis(version=(7, 0, 15), policy="noeviction", role="master") == set()
    assert of_machine() == {}


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("topic_missing", {"is_missing": True}),
        ("topic_refused", {"trouble": Trouble("not yours", is_refusal=True)}),
        ("partition_away", {"without_leader": (0, 3)}),
        ("copies_behind", {"out_of_sync": (1,)}),
        ("copies_few", {"replicas": 1, "options": {"min.insync.replicas": "1"}}),
        ("copies_too_few", {"replicas": 1}),
        ("no_spare_copy", {"options": {"min.insync.replicas": "3"}}),
        ("retention_short", {"options": {"retention.ms": "5000"}}),
        ("retention_bytes", {"options": {"retention.bytes": "1000000"}}),
        ("record_bytes", {"options": {"max.message.bytes": "1000"}}),
    ],
)
def test_one_fact_of_a_topic_gives_one_finding(code: str, changes: dict[str, Any]) -> None:
    assert of_kafka(**changes) == {code}


def test_a_topic_that_is_kept_forever_is_kept_long_enough() -> None:
    assert of_kafka(options={"retention.ms": "-1"}) == set()
    assert of_kafka(options={"retention.ms": "5000", "cleanup.policy": "compact"}) == {"feed_compacted"}


def test_a_topic_whose_size_is_limited_has_to_hold_the_window() -> None:
    window_ms = round(KAFKA.window_s * 1000)

    def severities(kept_ms: int | None, **options: str) -> set[Severity]:
        topic = TOPIC._replace(options={"retention.bytes": "1000000"} | options, oldest_ms=kept_ms and 10**12 - kept_ms)
        facts = KafkaFacts(brokers=3, topics=dict.fromkeys(uses(KAFKA), topic), now_ms=10**12)
        return {one.severity for one in kafka_findings(KAFKA, facts) if one.code == "retention_bytes"}

    assert severities(None) == {Severity.WARNING}
    assert severities(window_ms + 1000) == {Severity.WARNING}
    assert severities(window_ms - 1000) == {Severity.ERROR}
    assert severities(window_ms - 1000, **{"retention.bytes": "-1"}) == set()
    assert severities(window_ms - 1000, **{"cleanup.policy": "compact"}) == set()


def test_rooms_that_keepers_forget_before_kafka_does_are_found() -> None:
    shared = KAFKA.model_copy(update={"redis": RedisSettings(url="redis://127.0.0.1/0")})
    assert of_kafka(settings=shared) == set()
    assert of_kafka(settings=shared, options={"retention.ms": "604800001"}) == {"rooms_forgotten"}
    assert of_kafka(settings=shared, options={"retention.ms": "-1"}) == {"rooms_forgotten"}
    longer = shared.model_copy(update={"keeper": KeeperSettings(room_idle_s=700_000)})
    assert of_kafka(settings=longer, options={"retention.ms": "604800001"}) == set()
    compacted = {"retention.ms": "604800000", "cleanup.policy": "compact"}
    assert of_kafka(settings=shared, options=compacted) == {"rooms_forgotten", "feed_compacted"}


def test_a_single_broker_is_not_asked_for_more_copies_than_it_can_hold() -> None:
    assert of_kafka(brokers=1, replicas=1, options={}) == set()


def test_permissions_are_not_checked_if_the_broker_does_not_report_them() -> None:
    assert of_kafka(allowed=None) == set()
    assert "topic_permission" in of_kafka(allowed=frozenset())


def test_a_topic_of_actions_must_not_be_compacted() -> None:
    settings = KAFKA.model_copy(update={"auth": AuthSettings(hs256_secret="a secret of at least thirty-two bytes")})
    options = {**TOPIC.options, "cleanup.policy": "compact,delete"}
    topics = dict.fromkeys(uses(settings), TOPIC) | {settings.actions.topic: TOPIC._replace(options=options)}
    assert [one.code for one in kafka_findings(settings, KafkaFacts(brokers=3, topics=topics))] == ["actions_compacted"]


def test_brokers_that_create_topics_by_themselves_are_found() -> None:
    topics = dict.fromkeys(uses(KAFKA), TOPIC)
    for creates, codes in ((True, ["auto_create"]), (False, []), (None, [])):
        facts = KafkaFacts(brokers=3, topics=topics, creates_topics=creates)
        assert [one.code for one in kafka_findings(KAFKA, facts)] == codes


@pytest.mark.parametrize("trouble", [Trouble("no answer", is_refusal=False), Trouble("bad password", is_refusal=True)])
def test_nothing_else_is_reported_about_a_system_that_does_not_answer(trouble: Trouble) -> None:
    kafka = list(kafka_findings(KAFKA, KafkaFacts(trouble=trouble)))
    redis = list(redis_findings(KAFKA, RedisFacts(trouble=trouble)))
    word = "refused" if trouble.is_refusal else "away"
    assert [one.code for one in (*kafka, *redis)] == [f"kafka_{word}", f"redis_{word}"]
    assert {one.severity for one in (*kafka, *redis)} == {Severity.ERROR}


@pytest.mark.parametrize(
    ("code", "server"),
    [
        ("redis_old", {"version": (5, 0, 1)}),
        ("redis_replica", {"role": "slave"}),
        ("redis_evicts", {"policy": "allkeys-lru"}),
        ("redis_full", {"memory_max_bytes": 100, "memory_used_bytes": 90}),
    ],
)
def test_one_fact_of_redis_gives_one_finding(code: str, server: dict[str, Any]) -> None:
    assert of_redis(**server) == {code}


def test_a_replica_and_a_full_redis_are_not_taken_for_missing_permissions() -> None:
    replica = RedisServer(role="slave")
    refused = {"SET": "READONLY You can't write against a read only replica.", "DEL": "READONLY"}
    found = list(redis_findings(KAFKA, RedisFacts(servers=[replica], refused=refused)))
    assert [one.code for one in found] == ["redis_replica"]
    full = RedisServer(memory_max_bytes=100, memory_used_bytes=101)
    refused = dict.fromkeys(("SET", "HSET"), "OOM command not allowed when used memory > 'maxmemory'.")
    found = list(redis_findings(KAFKA, RedisFacts(servers=[full], refused=refused)))
    assert [(one.code, one.severity) for one in found] == [("redis_full", Severity.ERROR)]


@pytest.mark.parametrize(
    ("tls", "port_has_tls", "code"),
    [
        (True, False, "kafka_tls"),
        (False, True, "kafka_tls"),
        (True, True, "kafka_away"),
        (False, False, "kafka_away"),
        (True, None, "kafka_away"),
    ],
)
def test_a_port_with_tls_and_one_without_are_told_from_a_kafka_that_is_away(
    tls: bool, port_has_tls: bool | None, code: str
) -> None:
    settings = KAFKA.model_copy(update={"kafka": KafkaSettings(tls=tls)})
    facts = KafkaFacts(Trouble("no answer", is_refusal=False), port_has_tls)
    assert [one.code for one in kafka_findings(settings, facts)] == [code]


@given(off_s=st.floats(-100, 100), round_trip_s=st.floats(0, 50))
def test_a_slow_controller_does_not_make_a_clock_wrong(off_s: float, round_trip_s: float) -> None:
    topics = dict.fromkeys(uses(KAFKA), TOPIC)
    facts = KafkaFacts(brokers=3, topics=topics, clock_off_s=off_s, round_trip_s=round_trip_s)
    codes = {one.code for one in kafka_findings(KAFKA, facts)}
    assert codes == ({"kafka_clock"} if abs(off_s) - round_trip_s > 2 else set())


@given(off_s=st.floats(-100, 100), round_trip_s=st.floats(0, 50))
def test_a_slow_answer_does_not_make_a_clock_wrong(off_s: float, round_trip_s: float) -> None:
    found = redis_findings(KAFKA, RedisFacts(clock_off_s=off_s, round_trip_s=round_trip_s))
    assert ("redis_clock" in {one.code for one in found}) == (abs(off_s) - round_trip_s > 2)


@pytest.mark.parametrize(
    ("code", "severity", "changes"),
    [
        ("open_files", Severity.ERROR, {"open_files_max": 100}),
        ("open_files", Severity.WARNING, {"open_files_max": 1000}),
        ("somaxconn", Severity.WARNING, {"listen_backlog_max": 128}),
        ("syn_backlog", Severity.NOTE, {"syn_backlog_max": 128}),
        ("files_of_the_machine", Severity.WARNING, {"files_max": 1000}),
        ("workers_few", Severity.NOTE, {"cpus": 8}),
        ("settings_conflict", Severity.WARNING, {"memory_bytes": 1 << 20}),
        ("certificate_unusable", Severity.ERROR, {"certificate": CertificateFacts(trouble="no such file")}),
        ("certificate_expired", Severity.ERROR, {"certificate": CERTIFICATE._replace(ends_s=0.0), "now_s": 1.0}),
        ("certificate_expires", Severity.WARNING, {"certificate": CERTIFICATE._replace(ends_s=3 * DAY_S)}),
    ],
)
def test_one_fact_of_a_machine_gives_one_finding(code: str, severity: Severity, changes: dict[str, Any]) -> None:
    assert of_machine(**changes) == {code: severity}


def test_a_certificate_has_to_name_a_host_that_clients_connect_by() -> None:
    def found(*names: str, hosts: Sequence[str] = ()) -> dict[str, Severity]:
        settings = KAFKA.model_copy(update={"hosts": list(hosts)})
        return of_machine(settings, certificate=CERTIFICATE._replace(names=names))

    missing = {"certificate_names": Severity.ERROR}
    foreign = {"certificate_names": Severity.WARNING}
    assert found() == found(hosts=["live.example.org"]) == missing
    assert found("live.example.org") == found("live.example.org", hosts=["*"]) == {}
    assert found("live.example.org", hosts=["live.example.com"]) == foreign
    assert found("live.example.org", hosts=["control.internal", "LIVE.example.org"]) == {}
    assert found("*.example.org", hosts=["live.example.org"]) == {}
    assert found("*.example.org", hosts=["a.live.example.org", "example.org"]) == foreign
    assert found("live.example.org", hosts=["*.example.org"]) == found("*.example.org", hosts=["*.example.org"]) == {}
    assert found("192.0.2.1", hosts=["192.0.2.1"]) == {}
    assert found("xn--bcher-kva.example", hosts=["bücher.example"]) == {}


def test_a_process_without_a_limit_of_open_files_has_enough() -> None:
    assert of_machine(open_files_max=-1) == {}


def test_publishing_without_a_key_from_other_machines_is_found() -> None:
    settings = KAFKA.model_copy(update={"control_host": "0.0.0.0", "publish_without_key": True})
    assert "publish_open" in of_machine(settings)
    assert "publish_open" not in of_machine(settings.model_copy(update={"api_keys": ["a" * 32]}))


FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from(Severity), st.sampled_from("abc"), st.text(), st.text(), st.text()), max_size=5
)


@given(FINDINGS)
def test_a_report_has_every_finding_once_the_worst_first(findings: list[Finding]) -> None:
    ordered = by_importance(findings)
    assert sorted(ordered) == sorted(findings)
    rows = json.loads(as_json(ordered))["findings"]
    assert [row["severity"] for row in rows] == [one.severity.word for one in ordered]
    assert [row["cure"] for row in rows] == [one.cure for one in ordered]
    assert as_text(ordered).isprintable() or "\n" in as_text(ordered)
