"""What ``touchline topics`` reports: a line for each topic, then what the doctor finds wrong with topics. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from touchline_protocol.printable import counted
from touchline_server.config.settings import Settings
from touchline_server.doctor.facts import KafkaFacts, TopicFacts
from touchline_server.doctor.finding import Finding, Severity, by_importance
from touchline_server.doctor.report import paragraph
from touchline_server.doctor.rules.topics import Use, missing, topic_findings, uses

MISSING = "does not exist"
FIXED = "do not add partitions while players act: see Adding partitions in docs/operations.md"
"""A topic of actions with more partitions than before has lost the order of the players that moved."""


class TopicsReport(NamedTuple):
    """How each topic is, by name, and what is wrong, the worst first."""

    statuses: Mapping[str, str]
    findings: Sequence[Finding]

    @property
    def has_error(self) -> bool:
        """Whether a server does not work with these topics."""
        return any(finding.severity == Severity.ERROR for finding in self.findings)

    def text(self) -> str:
        """The report, for people."""
        lines = [f"{topic}: {status}" for topic, status in self.statuses.items()]
        return "\n".join([*lines, *(paragraph(finding) for finding in self.findings)])


def report_of_file(needed: Mapping[str, Use], partitions: Mapping[str, int]) -> TopicsReport:
    """The report on an embedded log: the topics that it has, with their numbers of partitions, and those ``needed``."""
    statuses = {name: _exists(partitions[name]) if name in partitions else MISSING for name in needed}
    return TopicsReport(statuses, [missing(name, use) for name, use in needed.items() if name not in partitions])


def report_of_kafka(settings: Settings, facts: KafkaFacts, created: Collection[str]) -> TopicsReport:
    """The report on the topics in Kafka, some of which were just ``created``."""
    needed = uses(settings, acting=True)
    absent = TopicFacts(is_missing=True)
    statuses = {name: _status(facts.topics.get(name, absent), is_new=name in created) for name in needed}
    if facts.topics.get(settings.actions.topic, absent).partitions:
        statuses[settings.actions.topic] += f", {FIXED}"
    return TopicsReport(statuses, by_importance(topic_findings(settings, needed, facts)))


def _status(found: TopicFacts, *, is_new: bool) -> str:
    if found.is_missing:
        return MISSING
    return "not known" if found.trouble is not None else _exists(found.partitions, "created" if is_new else "exists")


def _exists(partitions: int, word: str = "exists") -> str:
    return f"{word}, {counted(partitions, 'partition')}"
