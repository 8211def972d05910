"""The room store: what is known of rooms from before an edge's window. It is the core's port to a log or a database.

The embedded log implements it, and so does the Redis that keepers write to. A log without a store is read back instead
(`core.log.ReadBack`).

Rules that each implementation keeps:

1. An answer is for one epoch of a topic. Of another one the store knows nothing, so its answer is `NotYet`: None would
   say that the room has no records, and cursors would be honoured on the strength of it.
2. An answer is as of an offset. Keys that later records set or removed may be left out of it: the edge has read those
   records.
3. A store that is filled by another process can be behind the edge: then its answer is `NotYet`. It can be ahead of it
   as well, be behind in another partition of the room, or know records that the log has lost again: `StoredRoom.seen`
   and ``others`` let the core tell.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from touchline_protocol.records import Record


class RoomKey(NamedTuple):
    """Which room: the topic and its epoch, the partition, and the room's id, which is its records' key.

    ``partitions``: how many the topic has, as far as the edge knows.
    """

    topic: str
    epoch: str
    partition: int
    room_id: str
    partitions: int = 1


class Seen(NamedTuple):
    """What a store that another process fills has seen: ``newest`` is the room's newest offset, -1 if it has none.

    Its records are of a log whose record just before ``written`` is of ``term``; none from there on was stored.
    """

    newest: int
    written: int
    term: int


class OtherPartition(NamedTuple):
    """What a store that another process fills has of a room in a partition that is not its home.

    All records below ``next_offset`` count. ``newest`` is the room's newest offset there, -1 if it has none, and ``ts``
    the time of that record. ``seen`` is None if it is not known which log that is of.
    """

    partition: int
    next_offset: int
    newest: int = -1
    ts: int = 0
    seen: Seen | None = None


class StoredRoom(NamedTuple):
    """A room as of an offset: its newest offset below that, and the newest record of each event key.

    ``head`` is None if the store cannot tell it exactly. ``complete``: the store has every key, as far as the log can
    tell. ``seen`` is None if the store is the log itself.

    ``others`` are the topic's other partitions, if a room may have records in several. ``elsewhere`` are the newest
    records of keys that the room has there, as far as the home partition says nothing about them.
    """

    head: int | None
    state: Sequence[Record]
    complete: bool = True
    seen: Seen | None = None
    elsewhere: Sequence[Record] = ()
    others: Sequence[OtherPartition] = ()

    @property
    def partitions(self) -> int:
        """The other partitions in which the room has records, as a bit mask."""
        return sum(1 << other.partition for other in self.others if other.newest >= 0)


class NotYet(NamedTuple):
    """The store has no answer now, and why. The room is served without its older state, and asked for again.

    ``away``: the store as a whole does not answer, so other rooms need not be asked for now.
    """

    why: str
    away: bool = False


class RoomStore(Protocol):
    """Knows rooms from before an edge's window."""

    async def load(self, key: RoomKey, *, before: int) -> StoredRoom | NotYet | None:
        """The room as its records below offset ``before`` left it; None if there were none.

        It is asked for a room when somebody first subscribes to it, never where records are read.

        Raises:
            LogUnavailable: the store did not answer, and nobody can be let into the room before it does.
        """
