"""The room store in Redis, as edges read it: see `core.room_store.RoomStore`, and `room_layout` for what lies there."""

from collections.abc import Sequence
from typing import Any

import structlog

from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.core.room_keeping import KeptPartition, Progress
from touchline_server.core.room_store import NotYet, RoomKey, StoredRoom
from touchline_server.store.kept_answers import KeptAnswer, stored_room

from .connection import RedisConnection
from .contents import UNREADABLE
from .room_layout import ENTRY_PREFIX, PROGRESS_FIELDS, READ, READ_LAYOUT, Keys, texts_of, unpack, unpack_built_with
from .scripts import Call, run_scripts
from .store_errors import only_store_errors, raises_store_errors

UNREADABLE_MAX = 1_000
"""Rooms that are remembered as logged."""
UNREADABLE_ROOM = (
    "what Redis holds of room {room} was not written by Touchline ({error}): delete the key {progress}, and keepers "
    "read the partition again"
)
PARTITIONS_MAX = 100_000
"""Partitions of a topic that are believed: a Kafka cluster has some 100,000 in all."""

logger = structlog.get_logger("touchline.store")


@raises_store_errors
class RedisRooms:
    """See `core.room_store.RoomStore`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = Keys(connection.prefix)
        self._unreadable: set[RoomKey] = set()
        """Rooms that were logged as unreadable."""

    async def load(self, key: RoomKey, *, before: int) -> StoredRoom | NotYet | None:
        """See `core.room_store.RoomStore.load`."""
        try:
            return await self._load(key, before)
        except (StoreUnavailable, StoreRefused) as error:
            return NotYet(str(error), away=True)

    @only_store_errors
    async def _load(self, key: RoomKey, before: int) -> StoredRoom | NotYet:
        layout = Call(READ_LAYOUT, [self._keys.layout(key.topic, key.epoch)], [])
        # One round trip for nearly all rooms.
        calls = [layout, self._read(key, key.partition)]
        topic, home = await run_scripts(self._connection, calls, repeatable=True)
        try:
            count, is_scattered = topic_layout(topic)
            elsewhere = [index for index in range(count) if index != key.partition] if is_scattered else []
            calls = [self._read(key, index) for index in elsewhere]
            others = await run_scripts(self._connection, calls, repeatable=True)
            found = dict(zip(elsewhere, map(kept_answer, others), strict=True))
            return stored_room(key, count, kept_answer(home), found, before)
        except UNREADABLE as error:
            progress = self._keys.progress(KeptPartition(key.topic, key.epoch, key.partition))
            # Not an outage of the store: other rooms can be read.
            why = UNREADABLE_ROOM.format(room=key.room_id, error=error, progress=progress)
            self._log_unreadable(key, why)
            return NotYet(why)

    async def kept(self, partitions: Sequence[KeptPartition]) -> dict[KeptPartition, Progress | None]:
        """How far partitions are kept; None if nothing is known of one.

        Raises:
            StoreUnavailable, StoreRefused: Redis did not answer.
        """

        async def read() -> list[Any]:
            pipeline = self._connection.pipeline()
            for partition in partitions:
                pipeline.hmget(self._keys.progress(partition), PROGRESS_FIELDS)
            return list(await pipeline.execute())

        found = await self._connection.call_repeatable(read)
        return {one: _known_progress(fields) for one, fields in zip(partitions, found, strict=True)}

    def _log_unreadable(self, key: RoomKey, why: str) -> None:
        """Log it once: the room is asked for again and again."""
        if key in self._unreadable:
            return
        if len(self._unreadable) >= UNREADABLE_MAX:
            self._unreadable.clear()
        self._unreadable.add(key)
        logger.warning("room_state_unreadable", topic=key.topic, why=why)

    def _read(self, key: RoomKey, index: int) -> Call:
        partition = KeptPartition(key.topic, key.epoch, index)
        return Call(READ, [self._keys.progress(partition), self._keys.room(partition, key.room_id)], [])


def topic_layout(answer: Sequence[int]) -> tuple[int, bool]:
    """What a `READ_LAYOUT` found: how many partitions, and whether rooms may be in several of them.

    Raises:
        ValueError: Touchline did not write it.
    """
    count, is_scattered = answer
    if not 0 <= count <= PARTITIONS_MAX:
        raise ValueError(f"{count} partitions")
    return count, bool(is_scattered)


def kept_answer(answer: bytes) -> KeptAnswer | None:
    """What a `READ` found; None if the partition is not kept.

    Raises:
        UNREADABLE: Touchline did not write it.
    """
    if not answer:
        return None
    build, next_offset, written, term, complete, built_with, *flat = texts_of(answer)
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if fields.get(b"build") != build:
        fields = {}
    cut = len(ENTRY_PREFIX)
    entries = {name[cut:].decode(): unpack(value) for name, value in fields.items() if name.startswith(ENTRY_PREFIX)}
    head = stored_int(fields.get(b"head", b"-1"))
    if not all(0 <= entry.offset <= head for entry in entries.values()):
        raise ValueError("an entry is not below the room's head")
    return KeptAnswer(
        build.decode(),
        stored_int(next_offset),
        stored_int(written),
        stored_int(term),
        complete == b"1",
        head,
        stored_int(fields.get(b"ts", b"0")),
        fields.get(b"full") == b"1",
        entries,
        unpack_built_with(built_with),
    )


def stored_int(text: bytes) -> int:
    """A number as Touchline writes it: an offset, a term or a time.

    Raises:
        ValueError: it is not one.
    """
    number = int(text)
    if not -1 <= number < 1 << 63:
        raise ValueError(f"{number} is out of range")
    return number


def progress_of(fields: Sequence[bytes]) -> Progress:
    """The progress in `PROGRESS_FIELDS`.

    Raises:
        UNREADABLE: Touchline did not write it.
    """
    build, *numbers, complete, built_with = fields
    next_offset, written, term, term_start = map(stored_int, numbers)
    built = unpack_built_with(built_with)
    return Progress(build.decode(), next_offset, written, term, term_start, complete == b"1", built)


def _known_progress(fields: Sequence[bytes]) -> Progress | None:
    """The same; None if there is none, and if it cannot be read either: then a keeper reads the partition again."""
    try:
        return None if fields[0] is None else progress_of(fields)
    except UNREADABLE:
        return None
