"""Reading some partitions only, or each from a place of the caller's own.

Keepers share a log's partitions, and go on where the store has them. An edge begins where keepers have got to, if they
are a little behind.

Rule: the log still decides what is right. A place that it does not hold any more is reported as `OffsetsLost` or
`Truncated`, like any other place that was read.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol


class ResumeAt(NamedTuple):
    """Read from ``offset`` on. The record before it is of ``term``, which began at ``term_start``; -1 if not known."""

    offset: int
    term: int
    term_start: int


class PartitionChoice(Protocol):
    """Which partitions are read, and from where."""

    def chosen(self, topic: str) -> Collection[int] | None:
        """The partitions of a topic that are to be read; None for all of them."""

    async def positions(self, topic: str, epoch: str, starts: Mapping[int, int]) -> Mapping[int, ResumeAt]:
        """Where to go on in partitions of a topic that is opened. Those that are left out are read from ``starts``, the
        time that the log was opened with. Nothing of the topic is read before this returns."""
