"""Rules about Kafka besides its topics: whether it answers, its racks, and the group of keepers. Pure."""

from collections.abc import Iterator

from touchline_kafka.topic_admin import AUTO_CREATE
from touchline_server.config.settings import Settings
from touchline_server.doctor.facts import KafkaFacts, Trouble
from touchline_server.doctor.finding import Finding, Severity

from .clock import clock_finding
from .topics import topic_findings, uses


def kafka_findings(settings: Settings, facts: KafkaFacts) -> Iterator[Finding]:
    """What does not work with Kafka, or will not when a broker fails."""
    if facts.trouble is not None:
        yield _no_answer(settings, facts.trouble, facts.port_has_tls)
        return
    yield from topic_findings(settings, uses(settings), facts)
    yield from _cluster(settings, facts)


def _no_answer(settings: Settings, trouble: Trouble, port_has_tls: bool | None) -> Finding:
    if trouble.is_refusal:
        cure = "correct log, and tls, sasl_mechanism and the credentials under [kafka]: docs/kafka.md"
        return Finding(Severity.ERROR, "kafka_refused", "log", trouble.text, cure)
    if port_has_tls is not None and port_has_tls != settings.kafka.tls:
        text = f"the port in log has {'TLS' if port_has_tls else 'no TLS'}, and kafka.tls says otherwise"
        cure = "set kafka.tls = false, or name the port of a listener with TLS in log"
        if port_has_tls:
            cure = "set kafka.tls = true, and kafka.ca_file unless a public authority has signed: docs/kafka.md"
        return Finding(Severity.ERROR, "kafka_tls", "kafka.tls", text, cure)
    if port_has_tls is not None:
        text = f"something listens there, and does not answer as Kafka does: {trouble.text}"
        cure = "correct the address in log, or sasl_mechanism under [kafka]: docs/kafka.md"
        return Finding(Severity.ERROR, "kafka_away", "log", text, cure)
    cure = "start Kafka, or correct the address in log; brokers have to be reachable under their advertised.listeners"
    return Finding(Severity.ERROR, "kafka_away", "log", trouble.text, cure)


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
    if facts.creates_topics:
        yield Finding(
            Severity.WARNING,
            "auto_create",
            AUTO_CREATE,
            "Kafka creates a topic as soon as any client names it: one that was deleted comes back at once, with one "
            "partition or without compaction, and a misspelled name goes unnoticed",
            "set auto.create.topics.enable=false on all brokers, and restart them one by one",
        )
    effect = "windows, latencies, and the ends of tokens and verdicts are wrong by as much"
    owner = "Kafka's controller"
    if wrong := clock_finding("kafka_clock", "log", owner, facts.clock_off_s, facts.round_trip_s, effect):
        yield wrong
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
