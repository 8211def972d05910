"""Whether a log still holds what was read from it: leader epochs, and OffsetForLeaderEpoch (KIP-101, KIP-320).

Each leader of a partition has an epoch, a number higher than that of the leader before it, and writes it into its
batches. A log may be cut back (an unclean election, a power cut) and grow again with other records under the same
offsets. These have a higher epoch. So a reader that knows the epoch of the last record it read can ask the leader where
that epoch ends: if that is before the reader's offset, what it read from there on is lost.

Pure: it is given epochs and answers (see `fetch.epoch_ends`). If the leader lacks the epoch itself, the logs diverge at
the latest where our records of that epoch began.
"""

from typing import NamedTuple

UNKNOWN_EPOCH = -1
ENTRIES_MAX = 100
"""Leaderships remembered of a partition. Only the newest ones can be undone by an election."""


class EpochEntry(NamedTuple):
    """From ``start_offset`` on, records are of this leader epoch."""

    epoch: int
    start_offset: int


class EpochEnd(NamedTuple):
    """A leader's answer: the newest epoch in its log that is not newer than the one in question, and where it ends.

    `UNKNOWN_EPOCH` if the epoch in question is newer than all that the leader knows.
    """

    epoch: int
    end_offset: int


class LeaderEpochs:
    """The epochs of the records that were read from a partition."""

    def __init__(self, *entries: EpochEntry) -> None:
        self._entries = list(entries)

    def add(self, entry: EpochEntry) -> None:
        """Records from an offset on are of an epoch, whatever was known of them before."""
        while self._entries and self._entries[-1].start_offset >= entry.start_offset:
            self._entries.pop()
        if not self._entries or self._entries[-1].epoch != entry.epoch:
            self._entries.append(entry)
            del self._entries[:-ENTRIES_MAX]

    def cut(self, offset: int) -> None:
        """Forget what is known of an offset and of all that follow: the log has lost them."""
        while self._entries and self._entries[-1].start_offset >= offset:
            self._entries.pop()

    def before(self, offset: int) -> EpochEntry | None:
        """The epoch of the last record before ``offset``; None if it is not known."""
        known = [entry for entry in self._entries if entry.start_offset <= offset]
        if len(known) > 1 and known[-1].start_offset == offset:
            known.pop()
        return known[-1] if known else None


def divergence(last: EpochEntry, end: EpochEnd, offset: int) -> int | None:
    """Where the log departs from what was read before ``offset``, ``last`` being its newest epoch; None if nowhere.

    0 if the leader does not know the epoch: its log is an older one, and nobody knows how much of it is the same.
    """
    if end.epoch == UNKNOWN_EPOCH:
        return 0
    common = end.end_offset if end.epoch == last.epoch else min(end.end_offset, last.start_offset)
    return common if common < offset else None
