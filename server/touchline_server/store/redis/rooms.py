"""The room store in Redis, as edges read it: see `core.room_store.RoomStore`, and `room_layout` for what lies there."""

from collections.abc import Sequence

from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.core.room_keeping import KeptPartition
from touchline_server.core.room_store import NotYet, RoomKey, StoredRoom
from touchline_server.store.kept_answers import KeptAnswer, stored_room

from .connection import RedisConnection
from .room_layout import ENTRY_PREFIX, READ, READ_LAYOUT, Keys, texts_of, unpack
from .scripts import Call, run_scripts
from .store_errors import only_store_errors, raises_store_errors


@raises_store_errors
class RedisRooms:
    """See `core.room_store.RoomStore`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._keys = Keys(connection.prefix)

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
        (count, is_scattered), home = await run_scripts(self._connection, [layout, self._read(key, key.partition)])
        elsewhere = [index for index in range(int(count)) if index != key.partition] if is_scattered else []
        others = await run_scripts(self._connection, [self._read(key, index) for index in elsewhere])
        found = dict(zip(elsewhere, map(kept_answer, others), strict=True))
        return stored_room(key, int(count), kept_answer(home), found, before)

    async def kept(self, partitions: Sequence[KeptPartition]) -> dict[KeptPartition, int | None]:
        """How far partitions are kept: the offset of the next record; None if nothing is known of one.

        Raises:
            StoreUnavailable, StoreRefused: Redis did not answer.
        """
        pipeline = self._connection.pipeline()
        for partition in partitions:
            pipeline.hget(self._keys.progress(partition), "next")
        found = await self._connection.call(pipeline.execute())
        return {one: None if answer is None else int(answer) for one, answer in zip(partitions, found, strict=True)}

    def _read(self, key: RoomKey, index: int) -> Call:
        partition = KeptPartition(key.topic, key.epoch, index)
        return Call(READ, [self._keys.progress(partition), self._keys.room(partition, key.room_id)], [])


def kept_answer(answer: bytes) -> KeptAnswer | None:
    """What a `READ` found; None if the partition is not kept."""
    if not answer:
        return None
    build, next_offset, written, term, complete, *flat = texts_of(answer)
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if fields.get(b"build") != build:
        fields = {}
    cut = len(ENTRY_PREFIX)
    entries = {name[cut:].decode(): unpack(value) for name, value in fields.items() if name.startswith(ENTRY_PREFIX)}
    return KeptAnswer(
        build.decode(),
        int(next_offset),
        int(written),
        int(term),
        complete == b"1",
        int(fields.get(b"head", -1)),
        int(fields.get(b"ts", 0)),
        fields.get(b"full") == b"1",
        entries,
    )
