"""The rooms that keepers keep in Redis, as a node uses them: its store, and what is wrong with it.

Nothing here is awaited where records are read or clients are served. Redis and the keepers' progress are looked at
every `LOOK_EVERY_S`, so that an edge without new rooms notices too that one of them is away.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping

from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_protocol.printable import counted
from touchline_server.config.settings import Settings
from touchline_server.core.room_keeping import KeptPartition, Progress
from touchline_server.core.room_store import BuiltWith, other_keys, smaller_state
from touchline_server.core.rooms.partition_window import PartitionWindow

from .kept_places import KeptPlaces
from .shared_stores import KeptRoomStore

LOOK_EVERY_S = 2.0
"""How soon an outage shows in ``/readyz``."""
ROOM_STATE = "room state"
"""The subject of rooms whose older state is missing, and of keepers that are behind."""


class KeptRooms:
    """One edge's view of what keepers wrote. The ``settings`` are the edge's."""

    def __init__(self, store: KeptRoomStore, settings: Settings) -> None:
        self._store = store
        self._feeds = {feed.topic: (name, feed.key_field) for name, feed in settings.feeds.items()}
        self._state_bytes_max = settings.state_bytes_max
        self._problems: dict[str, str] = {}
        self.next_offsets: Mapping[tuple[str, int], int] = {}
        """How far partitions are kept, by topic and number."""

    def places(self, topics: Collection[str]) -> KeptPlaces:
        """Where to begin to read the topics of feeds."""
        return KeptPlaces(self._store, topics)

    async def watch(self, windows: Iterable[PartitionWindow]) -> None:
        """Look at the progress of these partitions once."""
        wanted = {
            KeptPartition(window.topic, window.topic_epoch, window.partition): window.rooms_known_after + 1
            for window in windows
        }
        try:
            kept = await self._store.kept(list(wanted))
        except (StoreUnavailable, StoreRefused):
            return  # the stores have it as their problem
        problems: dict[str, str] = {}
        for partition, before in wanted.items():
            progress = kept[partition]
            if progress is not None and (difference := self._difference(partition.topic, progress.built_with)):
                problems[f"{ROOM_STATE} of {partition.topic}"] = difference  # one line for all of its partitions
            if why := _why_missing(partition.topic, progress, before):
                problems[f"{ROOM_STATE} of {partition.topic}/{partition.partition}"] = why
        self._problems = problems
        self.next_offsets = {
            (partition.topic, partition.partition): progress.next_offset
            for partition, progress in kept.items()
            if progress is not None
        }

    def _difference(self, topic: str, built: BuiltWith) -> str | None:
        """How a keeper's settings differ from this edge's, if that matters to clients."""
        name, key_field = self._feeds[topic]
        return other_keys(name, key_field, built) or smaller_state(self._state_bytes_max, built)

    def problems(self, unloaded_rooms: int) -> Mapping[str, str]:
        """What is wrong now; ``unloaded_rooms`` were joined without their older state."""
        problems = dict(self._problems)
        if unloaded_rooms:
            problems[ROOM_STATE] = f"the older state of {counted(unloaded_rooms, 'room')} is not loaded yet"
        return problems


def _why_missing(topic: str, progress: Progress | None, before: int) -> str | None:
    """Why rooms of a partition are incomplete, which need it up to the offset ``before``; None if they are not."""
    if progress is None and before > 0:
        return f"no keeper has kept it: is touchline keeper running, with the same redis.prefix and a feed of {topic}?"
    if progress is not None and progress.next_offset < before:
        return f"keepers have kept it up to offset {progress.next_offset}, and rooms need it up to {before}"
    return None


async def watch_forever(kept: KeptRooms, windows: Callable[[], list[PartitionWindow]]) -> None:
    """Look again and again; does not end by itself."""
    while True:
        await kept.watch(windows())
        await asyncio.sleep(LOOK_EVERY_S)
