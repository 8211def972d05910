"""Records of presence reach their topic, from a node with a log in memory, and are kept while the log takes none."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import jwt
import pytest
import pytest_asyncio

from store.presence_fleets import InRedis
from support.node_fixture import running_node
from support.redis_server import RedisServer
from support.waiting import DEADLINE_S, eventually
from touchline_protocol.messages import Hello, RoomRequest, Subscribe, Subscribed, Welcome
from touchline_protocol.presence.records import PresenceRecord, decode_presence
from touchline_protocol.records import Record
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.config.settings import Settings
from touchline_server.core.log import LogEvent, Records
from touchline_server.core.presence.port import InRoom, Report
from touchline_server.log.open import make_log
from touchline_server.node.fleet import presence_topic
from touchline_server.node.fleet.presence_topic import PresenceTopic
from touchline_server.store.redis.connection import RedisConnection

TOPIC = "touchline-presence"
PRESENCE = PresenceSettings(records=True, interval_s=0.1)
ROOM = "match:1"
NONE: frozenset[str] = frozenset()
SECRET = "a-secret-of-thirty-two-bytes-or-more"


def token(player: str) -> str:
    """A token that lets a player watch everything."""
    return jwt.encode({"sub": player, "watch": ["*"], "exp": int(time.time()) + 600}, SECRET, "HS256")


class Written:
    """What was written to the topic so far: an observer of a node's log."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._more = asyncio.Event()

    def __call__(self, event: LogEvent) -> None:
        if isinstance(event, Records) and event.topic == TOPIC:
            self.records += event.records
            self._more.set()

    async def decoded(self, count: int) -> Sequence[PresenceRecord]:
        """The first records, once there are ``count``."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.records) < count:
                self._more.clear()
                await self._more.wait()
        return [record for each in self.records if (record := decode_presence(each.value)) is not None]


async def test_back_ends_read_who_is_where_without_redis() -> None:
    written = Written()
    presence = {"records": True, "interval_s": 0.1, "grace_s": 0}
    auth = {"hs256_secret": SECRET}
    async with running_node(observe=(TOPIC, written), presence=presence, auth=auth) as running:
        async with running.client(greeted=False) as ann:
            await ann.send(Hello(token=token("ann")))
            await ann.expect(Welcome)
            await ann.send(Subscribe(rooms=[RoomRequest(room=ROOM)]))
            await ann.expect(Subscribed)
            await written.decoded(2)
        records = await written.decoded(4)
    assert [(record.kind, record.player) for record in records] == [
        ("room_occupied", None),
        ("player_joined", "ann"),
        ("player_left", "ann"),
        ("room_empty", None),
    ]
    for raw, record in zip(written.records, records, strict=True):
        assert (raw.key, dict(raw.headers)) == (ROOM.encode(), {"kind": record.kind.encode()})
        assert raw.timestamp == record.time_ms


@pytest_asyncio.fixture
async def connection(redis: RedisServer) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(RedisSettings(url=redis.url, timeout_s=5))
    yield connection
    await connection.close()


async def test_records_wait_while_the_log_does_not_take_them(
    connection: RedisConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_topic, "RETRY_S", 0.05)
    fleet = InRedis(PRESENCE, connection)
    log = make_log(Settings(log="sqlite://"))
    await log.open([TOPIC], since_ms=0)
    topics = [PresenceTopic(fleet.outbox(name), log, PRESENCE) for name in ("one", "two")]
    try:
        for topic in topics:
            topic.start()
        await eventually(lambda: all(TOPIC in (topic.problem or "") for topic in topics))
        await fleet.worker("one").exchange(Report(True, {ROOM: 1}, {InRoom(ROOM, "ann"): 1}, NONE, NONE))
        await eventually(lambda: any(TOPIC in (topic.problem or "") for topic in topics))
        await log.create_topics([TOPIC], partitions=1, replication=None)
        written = Written()
        async with asyncio.timeout(DEADLINE_S):
            while len(written.records) < 2:
                for event in await log.poll():
                    written(event)
        assert [record.kind for record in await written.decoded(2)] == ["room_occupied", "player_joined"]
        await eventually(lambda: all(topic.problem is None for topic in topics))
    finally:
        await asyncio.gather(*(topic.stop() for topic in topics))
        await log.close()
    assert (await fleet.outbox("three").take()).waiting == [], "they left the outbox, and left it to others"
