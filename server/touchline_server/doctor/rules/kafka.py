"""Rules about Kafka besides its topics: whether it answers, its racks, and the group of keepers. Pure."""

from collections.abc import Iterator

from touchline_server.config.settings import Settings
from touchline_server.doctor.facts import KafkaFacts, Trouble
from touchline_server.doctor.finding import Finding, Severity

from .topics import topic_findings, uses


def kafka_findings(settings: Settings, facts: KafkaFacts) -> Iterator[Finding]:
    """What does not work with Kafka, or will not when a broker fails."""
    if facts.trouble is not None:
        yield _no_answer(facts.trouble)
        return
    yield from topic_findings(settings, uses(settings), facts)
    yield from _cluster(settings, facts)


def _no_answer(trouble: Trouble) -> Finding:
    if trouble.is_refusal:
        cure = "correct log, and tls, sasl_mechanism and the credentials under [kafka]: docs/kafka.md"
        return Finding(Severity.ERROR, "kafka_refused", "log", trouble.text, cure)
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
