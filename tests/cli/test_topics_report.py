"""The report of ``touchline topics``: how topics are, and what the doctor says of them."""

import pytest

from touchline_server.cli.topics.report import MISSING, TopicsReport, report_of_file, report_of_kafka
from touchline_server.config.settings import Settings
from touchline_server.doctor.facts import KafkaFacts, TopicFacts, Trouble
from touchline_server.doctor.rules.topics import uses

SETTINGS = Settings(log="kafka://127.0.0.1:9092")
NEEDED = uses(SETTINGS, acting=True)
TOPIC = TopicFacts(partitions=8, replicas=3, options={"min.insync.replicas": "2"})
FEED = SETTINGS.feeds["match"].topic


def report(feed: TopicFacts | None, *, brokers: int = 3, created: tuple[str, ...] = ()) -> TopicsReport:
    """The report on a cluster with good topics, but for one feed's; None if that is missing."""
    topics = dict.fromkeys(NEEDED, TOPIC) | ({FEED: feed} if feed is not None else {})
    if feed is None:
        del topics[FEED]
    return report_of_kafka(SETTINGS, KafkaFacts(brokers=brokers, topics=topics), created)


def test_good_topics_are_listed_and_nothing_else_is_said() -> None:
    found = report(TOPIC, created=(FEED,))
    assert found.statuses.keys() == NEEDED.keys()
    assert found.statuses[FEED] == "created, 8 partitions"
    assert found.text().splitlines() == [f"{name}: {status}" for name, status in found.statuses.items()]
    assert not found.has_error


@pytest.mark.parametrize(
    ("feed", "code", "has_error"),
    [
        (None, "topic_missing", True),
        (TopicFacts(trouble=Trouble("not yours", is_refusal=True)), "topic_refused", True),
        (TOPIC._replace(allowed=frozenset()), "topic_permission", True),
        (TOPIC._replace(replicas=1), "copies_too_few", True),
        (TOPIC._replace(replicas=1, options={}), "copies_few", False),
    ],
)
def test_what_the_doctor_finds_stands_below_and_an_error_is_one(
    feed: TopicFacts | None, code: str, has_error: bool
) -> None:
    found = report(feed)
    assert found.has_error is has_error
    assert f"[{code}]" in found.text()


def test_an_embedded_log_lacks_the_topics_that_were_configured_later() -> None:
    found = report_of_file(NEEDED, {name: 2 for name in NEEDED if name != FEED})
    assert found.statuses[FEED] == MISSING
    assert [(finding.code, finding.subject) for finding in found.findings] == [("topic_missing", FEED)]
    assert found.has_error
    assert not report_of_file(NEEDED, dict.fromkeys(NEEDED, 1)).has_error
