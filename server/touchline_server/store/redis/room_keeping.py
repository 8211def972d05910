"""Rooms in Redis, as keepers write them: see `core.room_keeping.RoomKeeping`, and `room_layout` for what lies there."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import structlog

from touchline_server.core.room_keeping import KeptPartition, KeptRoom, Moved, Progress, RoomChange

from .connection import RedisConnection
from .contents import UNREADABLE, reading
from .room_layout import (
    ADVANCE,
    BEGIN,
    DISCARD,
    ENTRY_PREFIX,
    INTEND,
    LAYOUT,
    PROGRESS_FIELDS,
    READ,
    WRITE,
    Keys,
    pack,
    pack_built_with,
)
from .rooms import kept_answer, progress_of
from .scripts import Call, run_scripts
from .store_errors import raises_store_errors

ROOMS_AT_ONCE = 50
"""Rooms that are read at once: their answers are 1 MB if they are of the usual size, and 50 MB at the most."""
OTHER_HEAD, MOVED = -1, -2
"""What a script answers if a room, or the partition, is not as expected."""

Args: TypeAlias = Sequence[str | bytes | int]


logger = structlog.get_logger("touchline.store")


@raises_store_errors
class RedisRoomKeeping:
    """See `core.room_keeping.RoomKeeping`. Rooms are forgotten ``room_idle_ms`` after their newest record."""

    def __init__(self, connection: RedisConnection, room_idle_ms: int) -> None:
        self._connection = connection
        self._keys = Keys(connection.prefix)
        self._room_idle_ms = room_idle_ms

    async def progress(self, partition: KeptPartition) -> Progress | None:
        """See `core.room_keeping.RoomKeeping.progress`."""
        connection, key = self._connection, self._keys.progress(partition)

        async def read() -> list[Any]:
            pipeline = connection.pipeline()
            pipeline.hmget(key, PROGRESS_FIELDS)
            pipeline.pexpire(key, self._room_idle_ms)
            return list(await pipeline.execute())

        fields, _ = await connection.call_repeatable(read)
        try:
            return None if fields[0] is None else progress_of(fields)
        except UNREADABLE as error:
            await self._discard_unreadable(partition, key, error)
            return None

    async def begin(self, partition: KeptPartition, progress: Progress) -> Progress:
        """See `core.room_keeping.RoomKeeping.begin`."""
        built = pack_built_with(progress.built_with)
        args: Args = [*progress[:5], int(progress.complete), built, self._room_idle_ms]
        key = self._keys.progress(partition)
        (answer,) = await run_scripts(self._connection, [Call(BEGIN, [key], args)])
        with reading(key, "delete it"):
            return progress_of(answer)

    async def discard(self, partition: KeptPartition, build: str) -> None:
        """See `core.room_keeping.RoomKeeping.discard`."""
        await run_scripts(self._connection, [Call(DISCARD, [self._keys.progress(partition)], [build])])

    async def rooms(self, partition: KeptPartition, build: str, room_ids: Sequence[str]) -> list[KeptRoom | None]:
        """See `core.room_keeping.RoomKeeping.rooms`."""
        progress = self._keys.progress(partition)
        calls = [Call(READ, [progress, self._keys.room(partition, room_id)], []) for room_id in room_ids]
        found: list[KeptRoom | None] = []
        answers = await run_scripts(self._connection, calls, at_once=ROOMS_AT_ONCE, repeatable=True)
        for room_id, answer in zip(room_ids, answers, strict=True):
            try:
                kept = kept_answer(answer)
            except UNREADABLE as error:
                await self._discard_unreadable(partition, self._keys.room(partition, room_id), error)
                raise Moved from None
            if kept is None or kept.build != build:
                raise Moved
            known = kept.head >= 0
            found.append(KeptRoom(kept.head, kept.ts, kept.full, dict(kept.entries)) if known else None)
        return found

    async def write(
        self, partition: KeptPartition, expected: Progress, written: Progress, changes: Sequence[RoomChange]
    ) -> list[str]:
        """See `core.room_keeping.RoomKeeping.write`."""
        progress = self._keys.progress(partition)
        first = expected.next_offset
        intent: Args = [written.build, first, expected.written, written.written, written.term, written.term_start]
        calls = [Call(INTEND, [progress], intent)]
        for change in changes:
            room = self._keys.room(partition, change.room_id)
            calls.append(Call(WRITE, [progress, room], self._write_args(written, first, change)))
        answers = await run_scripts(self._connection, calls, in_order=True)
        if MOVED in answers:
            raise Moved
        return [change.room_id for change, answer in zip(changes, answers[1:], strict=True) if answer == OTHER_HEAD]

    async def _discard_unreadable(self, partition: KeptPartition, key: str, error: Exception) -> None:
        """Forget all of a partition, so that it is read again from the log."""
        topic, _, index = partition
        why = f"the key {key} in Redis holds what Touchline did not write ({error})"
        logger.warning("room_state_discarded", topic=topic, partition=index, why=why)
        await self._connection.call(self._connection.client.delete(self._keys.progress(partition)))

    def _write_args(self, written: Progress, first: int, change: RoomChange) -> Args:
        args: list[str | bytes | int] = [written.build, first, change.follows, change.head, change.ts]
        args += [int(change.full), self._room_idle_ms, len(change.removed)]
        args += [ENTRY_PREFIX + key.encode() for key in change.removed]
        for key, entry in change.entries.items():
            args += [ENTRY_PREFIX + key.encode(), pack(entry)]
        return args

    async def advance(self, partition: KeptPartition, progress: Progress) -> None:
        """See `core.room_keeping.RoomKeeping.advance`."""
        args: Args = [progress.build, 0, progress.next_offset, self._room_idle_ms]
        (answer,) = await run_scripts(self._connection, [Call(ADVANCE, [self._keys.progress(partition)], args)])
        if answer == MOVED:
            raise Moved

    async def note_layout(self, topic: str, epoch: str, *, partitions: int, scattered: bool) -> bool:
        """See `core.room_keeping.RoomKeeping.note_layout`."""
        args: Args = [partitions, int(scattered), self._room_idle_ms]
        (answer,) = await run_scripts(self._connection, [Call(LAYOUT, [self._keys.layout(topic, epoch)], args)])
        return bool(answer)
