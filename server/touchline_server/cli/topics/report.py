"""What ``touchline topics`` says about each topic: whether it is there, and what an operator has to know about it."""

from collections.abc import Iterable
from typing import NamedTuple

from touchline_kafka.topic_admin import Copies
from touchline_protocol.printable import counted

FIXED = "do not add partitions while players act: see Adding partitions in docs/operations.md"
"""A topic of actions with more partitions than before has lost the order of the players that moved."""


class TopicReport(NamedTuple):
    """One topic. ``is_usable``: it exists, and the server may use it. ``notes`` are about a topic that exists."""

    status: str
    is_usable: bool
    notes: tuple[str, ...] = ()

    def with_notes(self, notes: Iterable[str | None]) -> "TopicReport":
        """The report with more notes; those that are None do not apply."""
        return self._replace(notes=(*self.notes, *(note for note in notes if note is not None)))

    def line(self, topic: str) -> str:
        """The report as a line of text."""
        return ", ".join((f"{topic}: {self.status}", *self.notes))


MISSING = TopicReport("does not exist; the same command with --create creates it", is_usable=False)
"""A topic that nobody has created."""


def exists(partitions: int) -> TopicReport:
    """A topic that was found."""
    return TopicReport(f"exists, {counted(partitions, 'partition')}", is_usable=True)


def copies_note(copies: Copies | None) -> str | None:
    """What is wrong with how a topic is replicated; None if nothing is, or Kafka does not tell."""
    if copies is None:
        return None
    replicas, in_sync_min, brokers = copies
    held = counted(replicas, "copy", "copies")
    if in_sync_min > replicas:
        return f"{held}, so nothing can be written to it: min.insync.replicas is {in_sync_min}"
    if replicas == 1 and brokers > 1:
        return f"1 copy on a cluster of {brokers} brokers: it is away, or lost, together with one of them"
    if in_sync_min == replicas > 1:
        return f"{held} and min.insync.replicas of {in_sync_min}: nothing can be written while one broker is away"
    return None
