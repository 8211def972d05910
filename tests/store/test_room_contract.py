"""The contract of the stores that keepers fill and edges read: the one in Redis, with a real server, and its twin."""

from collections.abc import AsyncIterator
from typing import NamedTuple, TypeAlias

import pytest
import pytest_asyncio

from support.redis_server import RedisServer
from touchline_server.config.redis import RedisSettings
from touchline_server.core.room_keeping import (
    KeptEntry,
    KeptPartition,
    KeptRoom,
    Moved,
    Progress,
    RoomChange,
    RoomKeeping,
)
from touchline_server.core.room_store import BuiltWith, NotYet, OtherPartition, RoomKey, RoomStore, Seen, StoredRoom
from touchline_server.store.memory.rooms import MemoryRooms
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.room_keeping import RedisRoomKeeping
from touchline_server.store.redis.rooms import RedisRooms

HOUR_MS = 3_600_000
PARTITION = KeptPartition("match-events", "epoch", 0)
KEY = RoomKey("match-events", "epoch", 0, "m1")
BUILT_WITH = BuiltWith("type", 100_000, "keeper-1")
START = Progress("b1", 0, 0, -1, -1, True, BUILT_WITH)

State: TypeAlias = dict[str, tuple[int, bytes | None]]


class Stores(NamedTuple):
    """The two ports of one store."""

    store: RoomStore
    keeping: RoomKeeping


@pytest_asyncio.fixture(params=["memory", "redis"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        memory = MemoryRooms()
        await memory.note_layout("match-events", "epoch", partitions=1, scattered=False)
        yield Stores(memory, memory)
        return
    server: RedisServer = request.getfixturevalue("redis")
    connection = RedisConnection(RedisSettings(url=server.url))
    keeping = RedisRoomKeeping(connection, HOUR_MS)
    await keeping.note_layout("match-events", "epoch", partitions=1, scattered=False)
    yield Stores(RedisRooms(connection), keeping)
    await connection.close()


def change(
    follows: int, head: int, *removed: str, room_id: str = "m1", full: bool = False, **values: str
) -> RoomChange:
    entries = {key: KeptEntry(head, 1000 + head, value.encode()) for key, value in values.items()}
    return RoomChange(room_id, follows, head, 1000 + head, full, entries, removed)


async def keep(stores: Stores, before: Progress, next_offset: int, *changes: RoomChange, term: int = 3) -> Progress:
    """Write a batch, and note that it is written."""
    written = before._replace(written=next_offset, term=term, term_start=0)
    assert await stores.keeping.write(PARTITION, before, written, changes) == []
    after = written._replace(next_offset=next_offset)
    await stores.keeping.advance(PARTITION, after)
    return after


async def loaded(stores: Stores, before: int, key: RoomKey = KEY) -> StoredRoom:
    found = await stores.store.load(key, before=before)
    assert isinstance(found, StoredRoom)
    return found


def state_of(room: StoredRoom) -> State:
    assert all(name == "key" for record in room.state for name, _ in record.headers)
    return {record.headers[0][1].decode(): (record.offset, record.value) for record in room.state}


async def test_a_room_is_what_its_writes_made_of_it(stores: Stores) -> None:
    begun = await stores.keeping.begin(PARTITION, START)
    assert begun == START
    one = await keep(stores, begun, 10, change(-1, 4, score="1", clock="2"), change(-1, 5, room_id="m2", score="9"))
    await keep(stores, one, 20, change(4, 12, "clock", score="3"))
    room = await loaded(stores, 20)
    assert state_of(room) == {"score": (12, b"3")}
    assert (room.head, room.complete, room.elsewhere, room.others) == (12, True, [], [])
    assert room.seen is not None
    assert room.seen == (12, 20, 3)
    (record,) = room.state
    assert (record.key, record.timestamp) == (b"m1", 1012)
    assert state_of(await loaded(stores, 20, KEY._replace(room_id="m2"))) == {"score": (5, b"9")}


async def test_it_is_known_how_rooms_were_built_and_another_keeper_changes_nothing_of_it(
    stores: Stores,
) -> None:
    await keep(stores, await stores.keeping.begin(PARTITION, START), 10, change(-1, 4, score="1"))
    other = START._replace(built_with=BuiltWith(None, 4096, "keeper-2"))
    for progress in (await stores.keeping.begin(PARTITION, other), await stores.keeping.progress(PARTITION)):
        assert progress is not None
        assert progress.built_with == BUILT_WITH
    assert (await loaded(stores, 10)).built_with == BUILT_WITH
    await stores.keeping.discard(PARTITION, START.build)
    assert (await stores.keeping.begin(PARTITION, other)).built_with == other.built_with


async def test_a_room_without_records_is_known_to_be_empty_but_not_where_it_ended(stores: Stores) -> None:
    await keep(stores, await stores.keeping.begin(PARTITION, START), 10)
    room = await loaded(stores, 10)
    assert (room.head, list(room.state), room.complete) == (None, [], True)


async def test_what_came_after_the_offset_in_question_is_left_out(stores: Stores) -> None:
    one = await keep(stores, await stores.keeping.begin(PARTITION, START), 10, change(-1, 4, score="1", clock="2"))
    await keep(stores, one, 20, change(4, 12, score="3"))
    room = await loaded(stores, 10)
    assert state_of(room) == {"clock": (4, b"2")}
    assert room.head is None
    assert room.seen is not None
    assert room.seen.newest == 12


async def test_a_store_that_is_behind_has_no_answer_yet(stores: Stores) -> None:
    assert isinstance(await stores.store.load(KEY, before=1), NotYet)
    # A partition that is read from its beginning needs nothing from before that.
    assert state_of(await loaded(stores, 0)) == {}
    await keep(stores, await stores.keeping.begin(PARTITION, START), 10, change(-1, 4, score="1"))
    assert isinstance(await stores.store.load(KEY, before=11), NotYet)
    assert isinstance(await stores.store.load(KEY._replace(epoch="other"), before=1), NotYet)
    assert isinstance(await stores.store.load(KEY._replace(partition=1), before=1), NotYet)


async def test_a_state_that_lacks_keys_says_so(stores: Stores) -> None:
    begun = await stores.keeping.begin(PARTITION, START._replace(complete=False))
    await keep(stores, begun, 10)
    assert not (await loaded(stores, 10)).complete
    await stores.keeping.discard(PARTITION, "b1")
    await keep(stores, await stores.keeping.begin(PARTITION, START), 10, change(-1, 4, full=True, score="1"))
    assert not (await loaded(stores, 10)).complete


async def test_only_one_keeper_begins_a_partition(stores: Stores) -> None:
    assert await stores.keeping.progress(PARTITION) is None
    await stores.keeping.begin(PARTITION, START)
    other = START._replace(build="b2", next_offset=7, written=7)
    assert await stores.keeping.begin(PARTITION, other) == START
    assert await stores.keeping.progress(PARTITION) == START


async def test_a_write_to_a_room_that_somebody_else_has_written_is_refused(stores: Stores) -> None:
    begun = await stores.keeping.begin(PARTITION, START)
    await keep(stores, begun, 10, change(-1, 4, score="1"))
    again = (await stores.keeping.progress(PARTITION)) or START
    written = again._replace(written=20)
    late = [change(3, 12, score="lost"), change(-1, 13, room_id="m2", score="kept")]
    assert await stores.keeping.write(PARTITION, again, written, late) == ["m1"]
    assert await stores.keeping.write(PARTITION, again, written, [change(4, 12, score="2")]) == []
    kept = await stores.keeping.rooms(PARTITION, "b1", ["m1", "m2", "m3"])
    assert [room and (room.head, room.entries["score"].value) for room in kept] == [(12, b"2"), (13, b"kept"), None]


async def test_a_keeper_that_somebody_has_overtaken_learns_it(stores: Stores) -> None:
    begun = await stores.keeping.begin(PARTITION, START)
    await keep(stores, begun, 10, change(-1, 4, score="1"))
    with pytest.raises(Moved):
        await stores.keeping.write(PARTITION, begun, begun._replace(written=5), [change(4, 4, score="x")])
    # It goes no further back either.
    await stores.keeping.advance(PARTITION, begun._replace(next_offset=3))
    progress = await stores.keeping.progress(PARTITION)
    assert progress is not None
    assert progress.next_offset == 10


async def test_a_store_that_lost_or_restored_something_takes_no_writes_that_miss_it(stores: Stores) -> None:
    ahead = START._replace(next_offset=50, written=50, term=3)
    with pytest.raises(Moved):
        await stores.keeping.write(PARTITION, ahead, ahead._replace(written=60), [])
    with pytest.raises(Moved):
        await stores.keeping.advance(PARTITION, ahead)
    await stores.keeping.begin(PARTITION, START)  # an older copy
    with pytest.raises(Moved):
        await stores.keeping.write(PARTITION, ahead, ahead._replace(written=60), [])


async def test_a_new_build_begins_without_the_rooms_of_the_one_before(stores: Stores) -> None:
    await keep(stores, await stores.keeping.begin(PARTITION, START), 10, change(-1, 4, score="1", clock="1"))
    await stores.keeping.discard(PARTITION, "another")
    assert await stores.keeping.progress(PARTITION) is not None
    await stores.keeping.discard(PARTITION, "b1")
    begun = await stores.keeping.begin(PARTITION, START._replace(build="b2"))
    with pytest.raises(Moved):
        await stores.keeping.rooms(PARTITION, "b1", ["m1"])
    assert await stores.keeping.rooms(PARTITION, "b2", ["m1"]) == [None]
    one = await keep(stores, begun, 10)
    assert state_of(await loaded(stores, 10)) == {}
    await keep(stores, one, 20, change(-1, 12, score="2"))
    assert state_of(await loaded(stores, 20)) == {"score": (12, b"2")}


async def test_a_batch_may_be_written_twice(stores: Stores) -> None:
    begun = await stores.keeping.begin(PARTITION, START)
    written = begun._replace(written=10, term=3, term_start=0)
    assert await stores.keeping.write(PARTITION, begun, written, [change(-1, 4, score="1")]) == []
    # The second time, the room has the head that it would get: nothing is left to do.
    assert await stores.keeping.write(PARTITION, begun, written, [change(-1, 4, score="1")]) == ["m1"]
    await stores.keeping.advance(PARTITION, written._replace(next_offset=10))
    assert state_of(await loaded(stores, 10)) == {"score": (4, b"1")}


async def test_what_a_room_had_in_other_partitions_counts_where_its_home_says_nothing(stores: Stores) -> None:
    assert not await stores.keeping.note_layout("match-events", "epoch", partitions=1, scattered=False)
    old = KeptPartition("match-events", "epoch", 0)
    new = KeptPartition("match-events", "epoch", 1)
    for partition, values in ((old, {"score": "1", "clock": "1", "half": "1"}), (new, {"score": "2", "clock": "null"})):
        entries = {key: KeptEntry(4, 1004, value.encode()) for key, value in values.items()}
        begun = await stores.keeping.begin(partition, START)
        written = begun._replace(written=10, term=3, term_start=0)
        assert await stores.keeping.write(partition, begun, written, [change(-1, 4)._replace(entries=entries)]) == []
        await stores.keeping.advance(partition, written._replace(next_offset=10))
    home = KEY._replace(partition=1)
    assert list((await loaded(stores, 10, home)).elsewhere) == []
    # Until keepers have seen the added partition, nobody knows what is elsewhere.
    assert isinstance(await stores.store.load(home._replace(partitions=2), before=10), NotYet)
    assert await stores.keeping.note_layout("match-events", "epoch", partitions=2, scattered=False)
    room = await loaded(stores, 10, home._replace(partitions=2))
    assert state_of(room) == {"score": (4, b"2")}
    assert [(record.headers[0][1], record.value) for record in room.elsewhere] == [(b"half", b"1")]
    assert room.others == [OtherPartition(0, 10, newest=4, ts=1004, seen=Seen(4, 10, 3), built_with=BUILT_WITH)]
    assert room.built_with == BUILT_WITH
    assert room.partitions == 0b01
    # A partition that nobody keeps yet is named too.
    await stores.keeping.note_layout("match-events", "epoch", partitions=3, scattered=True)
    assert OtherPartition(2, 0) in (await loaded(stores, 10, home._replace(partitions=3))).others


async def test_it_is_remembered_that_rooms_are_scattered(stores: Stores) -> None:
    assert await stores.keeping.note_layout("match-events", "epoch", partitions=4, scattered=True)
    assert await stores.keeping.note_layout("match-events", "epoch", partitions=4, scattered=False)
    assert not await stores.keeping.note_layout("match-events", "other", partitions=4, scattered=False)


async def test_a_copy_from_between_a_write_and_its_progress_takes_no_later_batch(stores: Stores) -> None:
    begun = await stores.keeping.begin(PARTITION, START)
    written = begun._replace(written=20, term=3, term_start=0)
    await stores.keeping.write(PARTITION, begun, written, [change(-1, 4, score="1")])
    # The keeper went on from there, and then the store was set back: batches from 20 on would lack those before.
    ahead = written._replace(next_offset=20)
    with pytest.raises(Moved):
        await stores.keeping.write(PARTITION, ahead, ahead._replace(written=30), [change(4, 25, score="3")])
    assert await stores.keeping.rooms(PARTITION, "b1", ["m1"]) == [
        KeptRoom(4, 1004, False, {"score": KeptEntry(4, 1004, b"1")})
    ]
