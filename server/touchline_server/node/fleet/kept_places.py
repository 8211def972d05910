"""Where an edge begins to read: at the beginning of its window, or earlier, where keepers have got to.

Keepers that are behind leave a gap between what Redis has of rooms and what an edge reads. A small gap is read at the
start, once for all rooms, so that states are complete at once. A large one would take too long: its rooms are served
incomplete, and told again once keepers have caught up.
"""

import time
from collections.abc import Collection, Mapping

from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.core.room_keeping import KeptPartition, Progress
from touchline_server.log.kafka.partition_choice import PartitionChoice, ResumeAt

from .shared_stores import KeptRoomStore

GAP_RECORDS_MAX = 50_000
"""Records of a topic that are read before its window: about a second of an edge's start."""
NOT_AGAIN_S = 10.0
"""How long a store that did not answer is not asked about other topics: each would wait for its deadline."""
NO_TERM = -1


class KeptPlaces(PartitionChoice):
    """The `PartitionChoice` of an edge whose rooms keepers keep. ``topics`` are those of its feeds."""

    def __init__(self, store: KeptRoomStore, topics: Collection[str]) -> None:
        self._store = store
        self._topics = frozenset(topics)
        self._away_until_s = 0.0

    def chosen(self, topic: str) -> None:
        """See `PartitionChoice.chosen`: an edge reads all partitions."""

    async def positions(self, topic: str, epoch: str, starts: Mapping[int, int]) -> Mapping[int, ResumeAt]:
        """See `PartitionChoice.positions`."""
        if topic not in self._topics or time.monotonic() < self._away_until_s:
            return {}
        partitions = {index: KeptPartition(topic, epoch, index) for index in starts}
        try:
            kept = await self._store.kept(list(partitions.values()))
        except (StoreUnavailable, StoreRefused):
            self._away_until_s = time.monotonic() + NOT_AGAIN_S
            return {}
        return earlier_places(starts, {index: kept[one] for index, one in partitions.items()})


def earlier_places(starts: Mapping[int, int], kept: Mapping[int, Progress | None]) -> Mapping[int, ResumeAt]:
    """Where to begin in partitions that are kept up to a little before ``starts``; the smallest gaps first."""
    gaps = sorted((start - one.next_offset, index) for index, start in starts.items() if (one := kept[index]))
    left = GAP_RECORDS_MAX
    places: dict[int, ResumeAt] = {}
    for gap, index in gaps:
        progress = kept[index]
        place = None if progress is None else _place(progress)
        if place is not None and 0 < gap <= left:
            places[index] = place
            left -= gap
    return places


def _place(progress: Progress) -> ResumeAt | None:
    """Where a partition is kept up to; None if it could not be noticed that the log has other records there by now."""
    next_offset, term = progress.next_offset, progress.term
    if term == NO_TERM:
        return ResumeAt(next_offset, NO_TERM, NO_TERM) if progress.written == next_offset else None
    return ResumeAt(next_offset, term, progress.term_start) if progress.term_start < next_offset else None
