"""Rules about topics: how Kafka keeps them and what this user may do with them, against what the settings need. Pure.

`touchline topics` reports the same findings as the doctor.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from touchline_kafka.metadata.operations import Operation
from touchline_kafka.topic_admin import CLEANUP, COMPACT, IN_SYNC_MIN, RECORD_BYTES_MAX, deletes_old
from touchline_protocol.printable import counted
from touchline_server.config.conflicts import topic_conflicts
from touchline_server.config.settings import Settings
from touchline_server.doctor.facts import KafkaFacts, TopicFacts
from touchline_server.doctor.finding import Finding, Severity

from .clock import CLOCK_S_MAX, SYNCHRONIZE

RETENTION, RETENTION_BYTES, TIMESTAMP_TYPE = "retention.ms", "retention.bytes", "message.timestamp.type"
REPLICAS_MIN = 3
"""With three copies, of which two have to be in sync, one broker may be away and another fail."""
DAY_MS = 24 * 3600 * 1000
"""How long a feed's records should be kept at least, so that a match can be looked at afterwards."""
CREATE = "touchline topics --create"


class Use(NamedTuple):
    """What the server does with a topic. ``option`` names it in the settings."""

    option: str
    needs: tuple[Operation, ...]
    is_feed: bool = False


def uses(settings: Settings, *, acting: bool | None = None) -> dict[str, Use]:
    """The topics that a server with these settings uses, by name.

    ``acting`` says whether players may act. By default they may if there is a key to check their tokens with.
    """
    found = {
        feed.topic: Use(f"feeds.{name}.topic", (Operation.READ, Operation.WRITE), is_feed=True)
        for name, feed in settings.feeds.items()
    }
    if settings.auth.has_keys if acting is None else acting:
        found[settings.actions.topic] = Use("actions.topic", (Operation.WRITE,))
        found[settings.verdicts.topic] = Use("verdicts.topic", (Operation.READ,))
    if settings.presence.records:
        found[settings.presence.topic] = Use("presence.topic", (Operation.WRITE,))
    return found


def topic_findings(settings: Settings, uses: Mapping[str, Use], facts: KafkaFacts) -> Iterator[Finding]:
    """What is wrong with the topics of ``uses``, by their names."""
    for topic, use in uses.items():
        yield from _topic(topic, use, facts.topics.get(topic, TopicFacts(is_missing=True)), settings, facts)
    known = {name: _number(facts.topics[name].options.get(RECORD_BYTES_MAX)) for name in uses if name in facts.topics}
    for conflict in topic_conflicts(settings, known):
        cure = _configure(conflict.topic, RECORD_BYTES_MAX, conflict.record_bytes_min)
        if (lowered := conflict.options[0]) == "actions.data_bytes_max":  # the size of events is not an option
            cure += f", or lower {lowered}"
        yield Finding(Severity.ERROR, "record_bytes", conflict.topic, conflict.message, cure)


def missing(topic: str, use: Use) -> Finding:
    """The finding about a topic that does not exist."""
    text = f"the topic of {use.option} does not exist"
    return Finding(Severity.ERROR, "topic_missing", topic, text, f"{CREATE}, with the same configuration")


def _topic(topic: str, use: Use, found: TopicFacts, settings: Settings, facts: KafkaFacts) -> Iterator[Finding]:
    if found.is_missing:
        yield missing(topic, use)
        return
    if found.trouble is not None:
        yield Finding(Severity.ERROR, "topic_refused", topic, found.trouble.text, _grant(topic, use.needs))
        return
    yield from _permissions(topic, use, found)
    yield from _copies(topic, found, facts.brokers)
    if use.is_feed:
        yield from _feed(topic, found, settings)
        yield from _kept_bytes(topic, found, settings, facts.now_ms)
    if use.option == "verdicts.topic":
        yield from _verdicts(topic, found)
    if use.option == "actions.topic" and COMPACT in found.options.get(CLEANUP, ""):
        text = "the topic is compacted: Kafka removes a player's older actions, so whatever judges them may miss some"
        yield Finding(Severity.WARNING, "actions_compacted", topic, text, _configure(topic, CLEANUP, "delete"))
    if found.newest_ms is not None and found.newest_ms - facts.now_ms > 1000 * CLOCK_S_MAX:
        yield Finding(
            Severity.WARNING,
            "clock",
            topic,
            f"its newest record is {(found.newest_ms - facts.now_ms) / 1000:.1f} s in the future: the clock of a "
            "producer is ahead, or that of this machine is behind, and windows and latencies are wrong",
            SYNCHRONIZE,
        )


def _permissions(topic: str, use: Use, found: TopicFacts) -> Iterator[Finding]:
    if found.allowed is None:
        return
    if lacking := [operation for operation in use.needs if operation not in found.allowed]:
        # A feed that nobody publishes to over HTTP is only read.
        severity = Severity.WARNING if use.is_feed and lacking == [Operation.WRITE] else Severity.ERROR
        only = ": events cannot be published over HTTP" if severity is Severity.WARNING else ""
        words = " or ".join(operation.word for operation in lacking)
        text = f"this user may not {words} the topic of {use.option}{only}"
        yield Finding(severity, "topic_permission", topic, text, _grant(topic, lacking))
    if Operation.DESCRIBE_CONFIGS not in found.allowed:
        yield Finding(
            Severity.NOTE,
            "topic_options_unknown",
            topic,
            "this user may not see the topic's configuration, so retention, compaction and sizes were not checked",
            _grant(topic, [Operation.DESCRIBE_CONFIGS]),
        )


def _configure(topic: str, option: str, value: str | int) -> str:
    return f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {option}={value}"


def _grant(topic: str, operations: Iterable[Operation]) -> str:
    options = " ".join(f"--operation {operation.kafka_name}" for operation in operations)
    return f"kafka-acls.sh --add --allow-principal User:… {options} --topic {topic}"


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
        cure = f"give it {in_sync_min} copies (kafka-reassign-partitions.sh), or "
        cure += _configure(topic, IN_SYNC_MIN, max(1, copies - 1))
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
        yield Finding(Severity.WARNING, "no_spare_copy", topic, text, _configure(topic, IN_SYNC_MIN, copies - 1))


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
            f"{_configure(topic, RETENTION, DAY_MS)}; at least {round(settings.window_s * 1000)}",
        )
    yield from _longer_than_kept(topic, policy, retention_ms, settings)
    if COMPACT in policy:
        yield Finding(
            Severity.WARNING,
            "feed_compacted",
            topic,
            "the topic is compacted: of several events with the same Kafka key, Kafka removes the older ones, so a "
            "client that comes back does not get all that it has missed",
            _configure(topic, CLEANUP, "delete"),
        )
    if found.options.get(TIMESTAMP_TYPE) == "LogAppendTime":
        yield Finding(
            Severity.NOTE,
            "append_times",
            topic,
            "brokers set the times of records: latencies begin there, and cursors of another cluster find no place",
            _configure(topic, TIMESTAMP_TYPE, "CreateTime"),
        )
    if found.partitions == 1:
        yield Finding(
            Severity.NOTE,
            "one_partition",
            topic,
            "it has a single partition: one broker serves all of its rooms, and one keeper keeps them",
            "create feeds with several partitions; adding them later moves rooms (docs/operations.md)",
        )


def retention_bytes(found: TopicFacts) -> int | None:
    """How much Kafka keeps of each partition, in bytes, if it deletes records by size."""
    bytes_max = _number(found.options.get(RETENTION_BYTES))
    return None if bytes_max is None or bytes_max < 0 or found.options.get(CLEANUP) == COMPACT else bytes_max


def _kept_bytes(topic: str, found: TopicFacts, settings: Settings, now_ms: int) -> Iterator[Finding]:
    if (bytes_max := retention_bytes(found)) is None:
        return
    kept = f"Kafka keeps {bytes_max} bytes of each partition (retention.bytes)"
    kept_ms = None if found.oldest_ms is None else max(0, now_ms - found.oldest_ms)
    if kept_ms is not None and kept_ms < settings.window_s * 1000:
        text = (
            f"{kept}, which at the present rate are the last {kept_ms / 1000:.1f} s, less than window_s = "
            f"{settings.window_s:g}: clients that come back miss events, and rooms start over"
        )
    else:
        kept_ms = None
        text = f"{kept}: if there are more in window_s = {settings.window_s:g}, clients that come back miss events"
    severity = Severity.WARNING if kept_ms is None else Severity.ERROR
    cure = f"{_configure(topic, RETENTION_BYTES, -1)}, so that retention.ms alone decides"
    yield Finding(severity, "retention_bytes", topic, text, cure)


def _longer_than_kept(topic: str, policy: str, retention_ms: int | None, settings: Settings) -> Iterator[Finding]:
    idle_s = settings.keeper.room_idle_s
    is_endless = policy == COMPACT or (retention_ms is not None and retention_ms < 0)
    if settings.redis.url is not None and (is_endless or (retention_ms or 0) > idle_s * 1000):
        longer = "forever" if is_endless else f"for {(retention_ms or 0) / 1000:g} s"
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
    if deletes_old(policy):
        yield Finding(
            Severity.ERROR,
            "verdicts_deleted",
            topic,
            f"its cleanup.policy is {policy}: Kafka deletes old verdicts, so a banned player is let in again",
            _configure(topic, CLEANUP, COMPACT),
        )


def _partitions(numbers: tuple[int, ...]) -> str:
    return f"{counted(len(numbers), 'partition')} ({', '.join(map(str, numbers[:10]))}{', …' if numbers[10:] else ''})"


def _number(value: str | None) -> int | None:
    try:
        return int(value) if value is not None else None
    except ValueError:
        return None
