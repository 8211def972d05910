"""Rules about Kafka: its topics and what this user may do with them, against what the settings need. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from touchline_kafka.topic_admin import CLEANUP, COMPACT, IN_SYNC_MIN, RECORD_BYTES_MAX
from touchline_protocol.printable import counted
from touchline_server.config.conflicts import topic_conflicts
from touchline_server.config.settings import Settings
from touchline_server.doctor.facts import DESCRIBE_CONFIGS, READ, WRITE, KafkaFacts, TopicFacts, Trouble
from touchline_server.doctor.finding import Finding, Severity

RETENTION, TIMESTAMP_TYPE = "retention.ms", "message.timestamp.type"
REPLICAS_MIN = 3
"""With three copies, of which two have to be in sync, one broker may be away and another fail."""
AHEAD_MS_MAX = 2_000
"""Clocks that NTP keeps differ by milliseconds. Latencies would be wrong by as much as these differ."""
CREATE = "touchline topics --create"


class Use(NamedTuple):
    """What the server does with a topic. ``option`` names it in the settings."""

    option: str
    needs: frozenset[str]
    is_feed: bool = False


def uses(settings: Settings) -> dict[str, Use]:
    """The topics that a server with these settings uses."""
    found = {
        feed.topic: Use(f"feeds.{name}.topic", frozenset((READ, WRITE)), is_feed=True)
        for name, feed in settings.feeds.items()
    }
    if settings.auth.has_keys:
        found[settings.actions.topic] = Use("actions.topic", frozenset((WRITE,)))
        found[settings.verdicts.topic] = Use("verdicts.topic", frozenset((READ,)))
    if settings.presence.records:
        found[settings.presence.topic] = Use("presence.topic", frozenset((WRITE,)))
    return found


def kafka_findings(settings: Settings, facts: KafkaFacts) -> Iterator[Finding]:
    """What does not work with Kafka, or will not when a broker fails."""
    if facts.trouble is not None:
        yield _no_answer(facts.trouble)
        return
    for topic, use in uses(settings).items():
        yield from _topic(topic, use, facts.topics.get(topic, TopicFacts(is_missing=True)), settings, facts)
    known = {name: _number(each.options.get(RECORD_BYTES_MAX)) for name, each in facts.topics.items()}
    for conflict in topic_conflicts(settings, known):
        cure = f"kafka-configs.sh --alter --entity-type topics --entity-name {conflict.topic} --add-config "
        cure += "max.message.bytes=…, or lower the option"
        yield Finding(Severity.ERROR, "record_bytes", conflict.topic, conflict.message, cure)
    yield from _cluster(settings, facts)


def _no_answer(trouble: Trouble) -> Finding:
    if trouble.is_refusal:
        cure = "correct log, and tls, sasl_mechanism and the credentials under [kafka]: docs/kafka.md"
        return Finding(Severity.ERROR, "kafka_refused", "log", trouble.text, cure)
    cure = "start Kafka, or correct the address in log; brokers have to be reachable under their advertised.listeners"
    return Finding(Severity.ERROR, "kafka_away", "log", trouble.text, cure)


def _topic(topic: str, use: Use, found: TopicFacts, settings: Settings, facts: KafkaFacts) -> Iterator[Finding]:
    if found.is_missing:
        text = f"the topic of {use.option} does not exist"
        yield Finding(Severity.ERROR, "topic_missing", topic, text, f"{CREATE}, with the same configuration")
        return
    if found.trouble is not None:
        cure = f"let this user {', '.join(sorted(use.needs))} the topic: kafka-acls.sh --add … --topic {topic}"
        yield Finding(Severity.ERROR, "topic_refused", topic, found.trouble.text, cure)
        return
    yield from _permissions(topic, use, found)
    yield from _copies(topic, found, facts.brokers)
    if use.is_feed:
        yield from _feed(topic, found, settings)
    if use.option == "verdicts.topic":
        yield from _verdicts(topic, found)
    if found.newest_ms is not None and found.newest_ms - facts.now_ms > AHEAD_MS_MAX:
        yield Finding(
            Severity.WARNING,
            "clock",
            topic,
            f"its newest record is {(found.newest_ms - facts.now_ms) / 1000:.1f} s in the future: the clock of a "
            "producer is ahead, or that of this machine is behind, and windows and latencies are wrong",
            "let NTP set the clocks (timedatectl set-ntp true)",
        )


def _permissions(topic: str, use: Use, found: TopicFacts) -> Iterator[Finding]:
    if found.allowed is None:
        return
    if lacking := sorted(use.needs - found.allowed):
        # A feed that nobody publishes to over HTTP is only read.
        severity = Severity.WARNING if use.is_feed and lacking == [WRITE] else Severity.ERROR
        only = ": events cannot be published over HTTP" if severity is Severity.WARNING else ""
        operations = " ".join(f"--operation {operation}" for operation in lacking)
        yield Finding(
            severity,
            "topic_permission",
            topic,
            f"this user may not {' or '.join(lacking)} the topic of {use.option}{only}",
            f"kafka-acls.sh --add --allow-principal User:… {operations} --topic {topic}",
        )
    if DESCRIBE_CONFIGS not in found.allowed:
        yield Finding(
            Severity.NOTE,
            "topic_options_unknown",
            topic,
            "this user may not see the topic's configuration, so retention, compaction and sizes were not checked",
            f"kafka-acls.sh --add --allow-principal User:… --operation DescribeConfigs --topic {topic}",
        )


def _copies(topic: str, found: TopicFacts, brokers: int) -> Iterator[Finding]:
    copies, in_sync_min = found.replicas, _number(found.options.get(IN_SYNC_MIN)) or 1
    if found.without_leader:
        text = f"{_partitions(found.without_leader)} without a leader: nothing can be read or written there"
        yield Finding(Severity.ERROR, "partition_away", topic, text, "start the brokers that hold it")
    elif found.out_of_sync:
        text = f"{_partitions(found.out_of_sync)} with copies that are not in sync"
        yield Finding(Severity.WARNING, "copies_behind", topic, text, "look at the brokers: one is away, or too slow")
    if in_sync_min > copies:
        text = f"{counted(copies, 'copy', 'copies')}, and min.insync.replicas is {in_sync_min}: nothing can be written"
        cure = f"give it {in_sync_min} copies (kafka-reassign-partitions.sh), or lower min.insync.replicas"
        yield Finding(Severity.ERROR, "copies_too_few", topic, text, cure)
    elif brokers > 1 and copies < min(REPLICAS_MIN, brokers):
        text = (
            f"{counted(copies, 'copy', 'copies')} on {brokers} brokers: it is away, or lost, together with some of them"
        )
        cure = f"give it {min(REPLICAS_MIN, brokers)} copies: kafka-reassign-partitions.sh"
        yield Finding(Severity.WARNING, "copies_few", topic, text, cure)
    elif in_sync_min == copies > 1:
        text = (
            f"{copies} copies and min.insync.replicas of {in_sync_min}: nothing can be written while a broker is away"
        )
        yield Finding(Severity.WARNING, "no_spare_copy", topic, text, f"set min.insync.replicas to {copies - 1}")


def _feed(topic: str, found: TopicFacts, settings: Settings) -> Iterator[Finding]:
    retention_ms = _number(found.options.get(RETENTION))
    policy = found.options.get(CLEANUP, "")
    if retention_ms is not None and 0 <= retention_ms < settings.window_s * 1000 and policy != COMPACT:
        yield Finding(
            Severity.ERROR,
            "retention_short",
            topic,
            f"Kafka keeps records for {retention_ms / 1000:g} s (retention.ms), less than window_s = "
            f"{settings.window_s:g}: clients that come back miss events, and rooms start over",
            f"set retention.ms to {round(settings.window_s * 1000)} at least; a day or more is better",
        )
    yield from _longer_than_kept(topic, policy, retention_ms, settings)
    if COMPACT in policy:
        yield Finding(
            Severity.WARNING,
            "feed_compacted",
            topic,
            "the topic is compacted: of several events with the same Kafka key, Kafka removes the older ones, so a "
            "client that comes back does not get all that it has missed",
            "set cleanup.policy=delete",
        )
    if found.options.get(TIMESTAMP_TYPE) == "LogAppendTime":
        yield Finding(
            Severity.NOTE,
            "append_times",
            topic,
            "brokers set the times of records: latencies begin there, and cursors of another cluster find no place",
            "set message.timestamp.type=CreateTime",
        )
    if found.partitions == 1:
        yield Finding(
            Severity.NOTE,
            "one_partition",
            topic,
            "it has a single partition: one broker serves all of its rooms, and one keeper keeps them",
            "create feeds with several partitions; adding them later moves rooms (docs/operations.md)",
        )


def _longer_than_kept(topic: str, policy: str, retention_ms: int | None, settings: Settings) -> Iterator[Finding]:
    idle_s = settings.keeper.room_idle_s
    is_endless = policy == COMPACT or (retention_ms is not None and retention_ms < 0)
    if settings.redis.url is not None and (is_endless or (retention_ms or 0) > idle_s * 1000):
        longer = "for ever" if is_endless else f"for {(retention_ms or 0) / 1000:g} s"
        cure = "set keeper.room_idle_s to the topic's retention" if not is_endless else "raise keeper.room_idle_s"
        yield Finding(
            Severity.WARNING,
            "rooms_forgotten",
            topic,
            f"Kafka keeps records {longer}, and keepers forget a room {idle_s:g} s after its newest event "
            "(keeper.room_idle_s): a room that was quiet for longer is shown as empty, and as complete",
            f"{cure}, unless a match is over by then",
        )


def _verdicts(topic: str, found: TopicFacts) -> Iterator[Finding]:
    policy = found.options.get(CLEANUP)
    if policy is not None and policy != COMPACT:
        yield Finding(
            Severity.ERROR,
            "verdicts_deleted",
            topic,
            f"its cleanup.policy is {policy}: Kafka deletes old verdicts, so a banned player is let in again",
            f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact",
        )


def _cluster(settings: Settings, facts: KafkaFacts) -> Iterator[Finding]:
    rack = settings.kafka.rack
    if rack and rack not in facts.racks:
        known = f"they are in {', '.join(sorted(facts.racks))}" if facts.racks else "they name none (broker.rack)"
        yield Finding(
            Severity.WARNING,
            "rack_unknown",
            "kafka.rack",
            f"no broker is in the rack {rack}: {known}, so everything is read from leaders in other zones",
            "write the brokers' own names of zones, and set replica.selector.class on them: docs/kafka.md",
        )
    # A coordinator that is not there yet, as on a cluster without groups, comes by itself.
    if facts.group_trouble is not None and facts.group_trouble.is_refusal:
        group = settings.keeper_group
        yield Finding(
            Severity.ERROR,
            "group_refused",
            group,
            f"keepers cannot use their consumer group: {facts.group_trouble.text}",
            f"kafka-acls.sh --add --allow-principal User:… --operation Read --group {group}",
        )


def _partitions(numbers: tuple[int, ...]) -> str:
    return f"{counted(len(numbers), 'partition')} ({', '.join(map(str, numbers[:10]))}{', …' if numbers[10:] else ''})"


def _number(value: str | None) -> int | None:
    try:
        return int(value) if value is not None else None
    except ValueError:
        return None
