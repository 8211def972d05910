"""Whatever lies under our keys in Redis: a process that reads it goes on, or raises `StoreRefused`.

Each key that Touchline reads gets contents of each type: values that it may write itself, values of other versions,
and nonsense.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from zlib import crc32

import msgspec
import pytest
import pytest_asyncio
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from support.redis_server import RedisServer
from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.core.players.player_store import Arrival, Exchange, Holding, Limits
from touchline_server.core.presence.port import InRoom, Report
from touchline_server.core.room_keeping import KeptPartition, Moved, Progress, RoomChange
from touchline_server.core.room_store import BuiltWith, NotYet, RoomKey, StoredRoom
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.players import SLOTS, RedisPlayerStore
from touchline_server.store.redis.presence import RedisOutbox, RedisPresenceStore
from touchline_server.store.redis.presence.shard import shard_of
from touchline_server.store.redis.room_keeping import RedisRoomKeeping
from touchline_server.store.redis.rooms import RedisRooms
from touchline_server.store.redis.workers import Workers

EXAMPLES = 25
HOUR_MS = 3_600_000
PARTITION = KeptPartition("scores", "e", 0)
KEY = RoomKey("scores", "e", 0, "r")
BUILT_WITH = BuiltWith(None, 100_000, "keeper-1")
PROGRESS = "touchline:{scores:e:0}:progress"
ROOM = "touchline:{scores:e:0}:room:r"
LAYOUT = "touchline:{scores:e}:layout"
SHARD = f"touchline:{{presence.{shard_of('score:r')}}}:"

TEXTS = st.sampled_from(
    [b"", b"x", b"abc", b"\xff\xfe", b"-5", b"1.5", b"1e300", b"inf", b"nan", b"9" * 30, b"0", b"1", b"7", b"null"]
) | st.binary(max_size=40)
SCORES = st.sampled_from([b"0", b"1", b"-inf", b"+inf", b"9e15", b"1e300"])
NAMES = (
    "build next written term term_start complete built_with head ts full s:k partitions scattered seq epoch dropped "
    "number worker last p w me"
)
FIELDS = st.sampled_from([*NAMES.encode().split(), b"s:\xff"]) | st.binary(min_size=1, max_size=4)
PACKED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**60)
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3),
    lambda each: st.lists(each, max_size=5) | st.dictionaries(st.text(max_size=2), each, max_size=2),
    max_leaves=6,
).map(msgspec.msgpack.encode)


def commands(key: str) -> st.SearchStrategy[list[list[Any]]]:
    """Commands that put something into a key: in the place of what is there, or besides it."""
    put = st.one_of(
        st.builds(lambda value: ["SET", key, value], TEXTS),
        st.lists(st.tuples(FIELDS, TEXTS), min_size=1, max_size=4).map(
            lambda pairs: ["HSET", key, *(part for pair in pairs for part in pair)]
        ),
        st.builds(lambda score, member: ["ZADD", key, score, member], SCORES, TEXTS),
        st.builds(lambda value: ["RPUSH", key, value], TEXTS | PACKED),
        st.builds(lambda value: ["SADD", key, value], TEXTS),
    )
    return st.builds(lambda clears, one: [["DEL", key], one] if clears else [one], st.booleans(), put)


KEYS = [
    PROGRESS,
    ROOM,
    LAYOUT,
    "touchline:workers",
    *(SHARD + name for name in ("meta", "workers", "viewers:score:r", "players:score:r", "viewers_changed")),
    *(SHARD + name for name in ("players_changed", "moves:score:r", "outbox", "due", "drained_by", "checks")),
    *(SHARD + f"of:me:{name}" for name in ("rooms", "players", "watched", "listed")),
    *(f"touchline:{{players.SLOT}}:{name}" for name in ("workers", "connections:me", "connections:w", "session:p:s")),
    *(f"touchline:{{players.SLOT}}:{name}" for name in ("rate:p", "lost:me")),
]


class Process:
    """All stores of one worker and one keeper, which have been in use for a while."""

    def __init__(self, connection: RedisConnection) -> None:
        workers = Workers(connection, "me")
        presence = PresenceSettings(records=True)
        self.connection = connection
        self.rooms = RedisRooms(connection)
        self.keeping = RedisRoomKeeping(connection, HOUR_MS)
        self.presence = RedisPresenceStore(connection, workers, presence)
        self.outbox = RedisOutbox(connection, "me", presence)
        self.players = RedisPlayerStore(connection, "me")

    async def keep(self) -> None:
        """What a keeper does for one partition. Twice: after it has discarded something, it begins again."""
        await self.keeping.note_layout("scores", "e", partitions=1, scattered=False)
        for _ in range(2):
            with contextlib.suppress(Moved):
                progress = await self.keeping.progress(PARTITION)
                if progress is None:
                    progress = await self.keeping.begin(PARTITION, Progress("b", 0, 0, -1, -1, True, BUILT_WITH))
                (found,) = await self.keeping.rooms(PARTITION, progress.build, ["r"])
                head = -1 if found is None else found.head
                written = progress._replace(written=progress.written + 1)
                change = RoomChange("r", head, progress.written, 1, False, {}, [])
                await self.keeping.write(PARTITION, progress, written, [change])
                await self.keeping.advance(PARTITION, written._replace(next_offset=written.written))

    async def load(self) -> None:
        """What an edge asks of rooms."""
        await self.rooms.kept([PARTITION])
        answer = await self.rooms.load(KEY, before=0)
        assert isinstance(answer, StoredRoom | NotYet)

    async def exchange_presence(self) -> None:
        """What a worker exchanges of presence, and reads for the control plane."""
        room = frozenset({"score:r"})
        await self.presence.exchange(Report(True, {"score:r": 1}, {InRoom("score:r", "p"): 1}, room, room))
        await self.presence.exchange(Report(False, {"score:r": 2}, {InRoom("score:r", "q"): 1}, room, room))
        await self.presence.viewers(["score:r"])

    async def take_records(self) -> None:
        """What a worker writes to the topic of presence."""
        await self.outbox.leave((await self.outbox.take()).waiting)

    async def exchange_players(self) -> None:
        """What a worker exchanges of players."""
        await self.players.exchange(
            Exchange(
                Limits(5, 100.0),
                arrivals=[Arrival("p", 1, "s")],
                connections={"p": 1},
                held=[Holding("p", "s", 7, 3)],
                actions={"p": 2},
                everywhere=True,
            )
        )

    async def run(self) -> dict[str, str]:
        """Do all of it. Returns what was refused."""
        refused: dict[str, str] = {}
        steps: list[Callable[[], Awaitable[None]]] = [
            self.load,
            self.keep,
            self.load,
            self.exchange_presence,
            self.take_records,
            self.exchange_players,
        ]
        for step in steps:
            try:
                await step()
            except (StoreRefused, StoreUnavailable) as error:
                refused[step.__name__] = str(error)
        return refused


async def _damaged(url: str, damage: list[list[Any]]) -> None:
    connection = RedisConnection(RedisSettings(url=url))
    try:
        await connection.client.flushall()
        process = Process(connection)
        assert await process.run() == {}
        pipeline = connection.pipeline()
        for command in damage:
            pipeline.execute_command(*command)
        await pipeline.execute(raise_on_error=False)
        await process.run()
    finally:
        await connection.close()


@pytest.mark.long
@pytest.mark.parametrize("key", KEYS)
def test_no_contents_of_a_key_are_an_error_of_the_process(redis: RedisServer, key: str) -> None:
    key = key.replace("SLOT", str(crc32(b"p") % SLOTS))

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(commands(key))
    def check(damage: list[list[Any]]) -> None:
        uvloop.run(_damaged(redis.url, damage))

    check()


@pytest_asyncio.fixture
async def process(redis: RedisServer) -> AsyncIterator[Process]:
    connection = RedisConnection(RedisSettings(url=redis.url))
    process = Process(connection)
    assert await process.run() == {}
    yield process
    await connection.close()


async def test_a_name_that_is_not_text_is_removed_from_the_list_of_workers(process: Process) -> None:
    client = process.connection.client
    await client.zadd("touchline:workers", {b"\xff\xfe": 1, b"\xff": 9e15})
    assert await process.run() == {}
    assert await client.zrange("touchline:workers", 0, -1) == [b"me"]


async def test_a_room_that_cannot_be_read_has_no_answer_and_other_rooms_have_one(process: Process) -> None:
    await process.connection.client.hset(ROOM, "s:k", "abc")
    answer = await process.rooms.load(KEY, before=0)
    assert isinstance(answer, NotYet)
    assert not answer.away
    assert PROGRESS in answer.why
    assert isinstance(await process.rooms.load(KEY._replace(room_id="other"), before=0), StoredRoom)
    await process.keep()
    assert isinstance(await process.rooms.load(KEY, before=0), StoredRoom)


async def test_progress_that_cannot_be_read_is_discarded_by_a_keeper_and_unknown_to_an_edge(process: Process) -> None:
    await process.connection.client.hset(PROGRESS, "next", "x")
    assert await process.rooms.kept([PARTITION]) == {PARTITION: None}
    assert await process.keeping.progress(PARTITION) is None
    begun = await process.keeping.begin(PARTITION, Progress("other", 0, 0, -1, -1, True, BUILT_WITH))
    assert begun.build == "other"


@pytest.mark.parametrize("field", ["next", "written"])
async def test_progress_that_is_damaged_while_a_keeper_writes_is_read_again_and_discarded(
    field: str, process: Process
) -> None:
    progress = await process.keeping.progress(PARTITION)
    assert progress is not None
    await process.connection.client.hset(PROGRESS, field, "x")
    for write in (
        process.keeping.write(PARTITION, progress, progress._replace(written=progress.written + 1), []),
        process.keeping.advance(PARTITION, progress),
    ):
        with pytest.raises(Moved):
            await write
    assert await process.keeping.progress(PARTITION) is None


async def test_a_refusal_names_the_key_that_cannot_be_read(process: Process) -> None:
    await process.connection.client.delete(SHARD + "outbox")
    await process.connection.client.rpush(SHARD + "outbox", msgspec.msgpack.encode(["seq", 1]))
    with pytest.raises(StoreRefused) as refused:
        await process.take_records()
    assert SHARD + "outbox" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("touchline:workers", "touchline:workers"),
        (ROOM, ROOM),
        (SHARD + "workers", SHARD + "*"),
        (f"touchline:{{players.{crc32(b'p') % SLOTS}}}:workers", f"touchline:{{players.{crc32(b'p') % SLOTS}}}:*"),
    ],
)
async def test_a_refusal_names_the_keys_of_which_one_has_another_type(process: Process, key: str, named: str) -> None:
    client = process.connection.client
    await client.delete(key)
    await client.set(key, "str")
    refused = await process.run()
    assert any("WRONGTYPE" in why and named in why for why in refused.values())
    assert named in str(process.connection.problem)
    await client.delete(key)
    assert await process.run() == {}
