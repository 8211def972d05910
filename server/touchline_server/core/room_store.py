"""The room store: what is known of rooms from before an edge's window. It is the core's port to a log or a database.

The embedded log implements it. A log without a store is read back instead (`core.log.ReadBack`).

Rules that each implementation keeps:

1. An answer is for one epoch of a topic: of another one the store knows nothing.
2. An answer is as of an offset. Keys that later records set or removed may be left out of it: the edge has read those
   records.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from touchline_protocol.records import Record


class RoomKey(NamedTuple):
    """Which room: the topic and its epoch, the partition, and the room's id, which is its records' key."""

    topic: str
    epoch: str
    partition: int
    room_id: str


class StoredRoom(NamedTuple):
    """A room as of an offset: its newest offset below that, and the newest record of each event key.

    ``head`` is None if the store cannot tell it exactly.
    """

    head: int | None
    state: Sequence[Record]


class RoomStore(Protocol):
    """Knows rooms from before an edge's window."""

    async def load(self, key: RoomKey, *, before: int) -> StoredRoom | None:
        """The room as its records below offset ``before`` left it; None if there were none.

        It is asked for a room when somebody first subscribes to it, never where records are read.

        Raises:
            LogUnavailable: the store did not answer.
        """
