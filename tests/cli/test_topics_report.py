"""What is said about a topic's copies."""

import pytest

from touchline_kafka.topic_admin import Copies
from touchline_server.cli.topics.report import copies_note, exists


@pytest.mark.parametrize(
    "copies",
    [
        None,
        Copies(replicas=1, in_sync_min=1, brokers=1),
        Copies(replicas=3, in_sync_min=2, brokers=3),
        Copies(replicas=2, in_sync_min=1, brokers=3),
    ],
)
def test_nothing_is_said_if_a_broker_may_be_away(copies: Copies | None) -> None:
    assert copies_note(copies) is None


@pytest.mark.parametrize(
    ("copies", "numbers"),
    [
        (Copies(replicas=1, in_sync_min=1, brokers=3), ["1", "3"]),
        (Copies(replicas=1, in_sync_min=2, brokers=3), ["1", "min.insync.replicas", "2"]),
        (Copies(replicas=2, in_sync_min=2, brokers=3), ["2", "min.insync.replicas", "2"]),
    ],
)
def test_too_few_copies_are_named_with_what_they_cost(copies: Copies, numbers: list[str]) -> None:
    note = copies_note(copies)
    assert note is not None
    assert [number for number in numbers if number not in note] == []
    assert exists(8).with_notes([note, None]).line("topic") == f"topic: exists, 8 partitions, {note}"
