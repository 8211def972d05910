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
   and ``others`` let the core tell. ``built_with`` lets it tell too whether that process found the keys that it finds.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from touchline_protocol.records import Record


class BuiltWith(NamedTuple):
    """How a keeper built the states of a partition.

    ``key_field`` and ``state_bytes_max`` are its settings. ``keeper`` is its name, for operators. A process that finds
    the keys of records elsewhere makes another state of them, and could not tell by the state.
    """

    key_field: str | None
    state_bytes_max: int
    keeper: str

    def is_like(self, other: "BuiltWith") -> bool:
        """Whether the settings are the same."""
        return self.settings == other.settings

    @property
    def settings(self) -> str:
        """The settings, as an operator writes them."""
        key_field = "no key_field" if self.key_field is None else f'key_field = "{self.key_field}"'
        return f"{key_field} and state_bytes_max = {self.state_bytes_max}"


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
    the time of that record. ``seen`` is None if it is not known which log that is of. ``built_with`` is None if nothing
    is kept there.
    """

    partition: int
    next_offset: int
    newest: int = -1
    ts: int = 0
    seen: Seen | None = None
    built_with: BuiltWith | None = None


class StoredRoom(NamedTuple):
    """A room as of an offset: its newest offset below that, and the newest record of each event key.

    ``head`` is None if the store cannot tell it exactly. ``complete``: the store has every key, as far as the log can
    tell. ``seen`` and ``built_with`` are None if the store is the log itself.

    ``others`` are the topic's other partitions, if a room may have records in several. ``elsewhere`` are the newest
    records of keys that the room has there, as far as the home partition says nothing about them.
    """

    head: int | None
    state: Sequence[Record]
    complete: bool = True
    seen: Seen | None = None
    elsewhere: Sequence[Record] = ()
    others: Sequence[OtherPartition] = ()
    built_with: BuiltWith | None = None

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


def other_keys(feed: str, key_field: str | None, built: BuiltWith | None) -> str | None:
    """Why states cannot be used by an edge with this ``key_field`` of a feed; None if they can, or are the log's."""
    if built is None or built.key_field == key_field:
        return None
    mine, theirs = _shown(key_field), _shown(built.key_field)
    return (
        f"keeper {built.keeper} finds the keys of events in {theirs}, and this edge in {mine}: give keepers and edges "
        f"the same feeds.{feed}.key_field, and restart those that change"
    )


def smaller_state(state_bytes_max: int, built: BuiltWith) -> str | None:
    """What an edge with this ``state_bytes_max`` lacks of states; None if they have as much space as here."""
    if built.state_bytes_max >= state_bytes_max:
        return None
    return (
        f"keeper {built.keeper} keeps {built.state_bytes_max} bytes of a room (state_bytes_max), and this edge "
        f"{state_bytes_max}: larger rooms are incomplete until both have the same value, and keepers are restarted"
    )


def _shown(key_field: str | None) -> str:
    return "their headers alone" if key_field is None else f'the field "{key_field}"'
