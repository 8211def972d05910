"""Keeping rooms: the port through which a keeper writes what the room store then knows.

Each partition has a `Progress`, and all of its rooms are kept beside it: one atomic step sees both. A partition that is
kept from another place of the log than before (its records were cut back, or the store lost them) has a new ``build``;
rooms of another build count for nothing.

Rules that each implementation keeps:

1. A room only ever holds what its records up to its head made of it. So a write names the head that it follows, and is
   refused if the room has another one: somebody else has written it, or it expired.
2. A write is refused too if the partition has another build, or is behind the write's first offset: what came in
   between would be missing.
3. Before rooms are written, `Progress.written` says how far that may go, and of which term. So whoever comes next can
   ask the log whether it still holds all of that.
4. Each step may be taken twice.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from .room_store import BuiltWith

NULL = b"null"
"""The value of a key that was removed."""


class KeptPartition(NamedTuple):
    """Which partition, of which epoch of its topic."""

    topic: str
    epoch: str
    partition: int


class Progress(NamedTuple):
    """How far a partition is kept: rooms hold all records from the build's beginning up to ``next_offset``.

    They may hold some up to ``written``. The record just before that is of ``term``, which began at ``term_start``; -1
    if that is not known. ``complete``: the log had nothing before the build's beginning. All rooms of the build were
    ``built_with`` the same settings.
    """

    build: str
    next_offset: int
    written: int
    term: int
    term_start: int
    complete: bool
    built_with: BuiltWith


class KeptEntry(NamedTuple):
    """The newest event of a key. ``ts`` is in Unix milliseconds; ``value`` is JSON, `NULL` if the key was removed."""

    offset: int
    ts: int
    value: bytes


class KeptRoom(NamedTuple):
    """A room as of its newest offset, ``head``. ``full``: keys are missing, since the state is bounded in bytes.

    ``ts`` is the time of its newest record.
    """

    head: int
    ts: int
    full: bool
    entries: Mapping[str, KeptEntry]


class RoomChange(NamedTuple):
    """What records did to a room whose head was ``follows`` (-1 if there was no such room)."""

    room_id: str
    follows: int
    head: int
    ts: int
    full: bool
    entries: Mapping[str, KeptEntry]
    removed: Sequence[str]


class Moved(Exception):
    """The partition is not as the keeper left it: another keeper wrote, or the store lost or restored something."""


class RoomKeeping(Protocol):
    """Rooms, written by keepers. All methods raise `StoreUnavailable` and `StoreRefused`."""

    async def progress(self, partition: KeptPartition) -> Progress | None:
        """How far a partition is kept; None if nothing is known of it. It stays for another ``room_idle_s``."""

    async def begin(self, partition: KeptPartition, progress: Progress) -> Progress:
        """Begin to keep a partition, unless somebody has begun; returns how far it is kept now."""

    async def discard(self, partition: KeptPartition, build: str) -> None:
        """Forget a build: its rooms count for nothing from now on."""

    async def rooms(self, partition: KeptPartition, build: str, room_ids: Sequence[str]) -> list[KeptRoom | None]:
        """What is kept of rooms; None for those of which nothing is."""

    async def write(
        self, partition: KeptPartition, expected: Progress, written: Progress, changes: Sequence[RoomChange]
    ) -> list[str]:
        """Write rooms. ``expected`` is the progress before, ``written`` says how far this goes, and of which term.

        Returns the rooms whose head was another one.

        Raises:
            Moved: the progress was not as expected, and nothing or not all was written.
        """

    async def advance(self, partition: KeptPartition, progress: Progress) -> None:
        """All records below ``progress.next_offset`` are kept.

        Raises:
            Moved: the partition has another build.
        """

    async def note_layout(self, topic: str, epoch: str, *, partitions: int, scattered: bool) -> bool:
        """Note how many partitions a topic has, and whether rooms were found in others than expected.

        Returns whether rooms may be in several partitions, now or since earlier.
        """
