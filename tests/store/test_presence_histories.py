"""Any history of a fleet ends with the right numbers: workers that die, are stalled and come back, answers that are
lost, calls that arrive late, a Redis that is emptied, and people who write to it. And its records make sense to a
reader at any time, unless somebody has done so."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.presence_fleets import drained
from store.presence_reader import Reader
from store.presence_worker import Fault, FaultyConnection, Worker
from support.redis_server import RedisServer
from support.thoroughness import examples
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.core.presence.port import TOO_MANY, InRoom
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.presence import RedisOutbox, outbox, reports, shard, store
from touchline_server.store.redis.scripts import Script

WORKERS = 2
ROOMS = ("match:1", "match:2")
PLAYERS = ("ann", "bob", "cid", "dee")
MEMBERS_MAX = 2
SETTINGS = PresenceSettings(members_max=MEMBERS_MAX, records=True)

workers = st.sampled_from((0, 0, 1))  # most of it happens to one, so that it matters what came before
rooms = st.sampled_from(ROOMS)
players = st.sets(st.sampled_from(PLAYERS), max_size=3)
DAMAGE = (
    *("viewers:ROOM", "players:ROOM", "moves:ROOM", "viewers_changed", "players_changed", "meta", "workers", "checks"),
    *("of:WORKER:rooms", "of:WORKER:players", "of:WORKER:watched", "of:WORKER:listed", "due"),
)
STEP = st.one_of(
    st.tuples(st.just("exchange"), workers),
    *[st.tuples(st.just("viewers"), workers, rooms, st.integers(0, 2))] * 3,
    *[st.tuples(st.just("players"), workers, rooms, players)] * 3,
    st.tuples(st.just("interests"), workers, st.frozensets(rooms), st.frozensets(rooms)),
    *[st.tuples(st.just("fault"), workers, st.sampled_from(Fault), st.integers(0, 3))] * 2,
    st.tuples(st.just("late"), workers),
    st.tuples(st.just("dies"), workers),
    st.tuples(st.just("stalls"), workers),
    st.tuples(st.just("emptied")),
    st.tuples(st.just("damaged"), rooms, st.sampled_from(DAMAGE), st.sampled_from((b"", b"x", b"7", b"\nforeign\n"))),
    st.tuples(st.just("drained")),
)
HISTORIES = st.lists(STEP, min_size=10, max_size=50)


class History:
    """A fleet, what happens to it, and a reader of its records."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = 0
        self.redis = RedisConnection(RedisSettings(url=url, timeout_s=5))
        self.outbox = RedisOutbox(self.redis, "drainer", SETTINGS)
        self.workers = [self._worker() for _ in range(WORKERS)]
        self.reader = Reader()
        self.dead: list[Worker] = []
        self.is_damaged = False

    def _worker(self) -> Worker:
        self._names += 1
        connection = FaultyConnection(RedisSettings(url=self._url, timeout_s=5))
        return Worker(f"edge/{self._names}", connection, SETTINGS)

    async def step(self, what: str, *args: Any) -> None:
        await getattr(self, f"_{what}")(*args)

    async def _exchange(self, n: int) -> None:
        await self.workers[n].exchange()

    async def _viewers(self, n: int, room: str, count: int) -> None:
        worker = self.workers[n]
        here = [at for at in worker.players if at.room == room]
        for at in here[count:]:  # a player is a viewer too
            del worker.players[at]
        _set(worker.viewers, room, count)
        await worker.exchange()

    async def _players(self, n: int, room: str, players: set[str]) -> None:
        worker = self.workers[n]
        for player in PLAYERS:
            _set(worker.players, InRoom(room, player), int(player in players))
        _set(worker.viewers, room, max(worker.viewers.get(room, 0), len(players)))
        await worker.exchange()

    async def _interests(self, n: int, watched: frozenset[str], listed: frozenset[str]) -> None:
        self.workers[n].watched, self.workers[n].listed = watched, listed

    async def _fault(self, n: int, fault: Fault, after: int) -> None:
        """The next exchange fails, if it has that many calls."""
        connection = self.workers[n].connection
        connection.fault, connection.fault_after = fault, after

    async def _late(self, n: int) -> None:
        await self.workers[n].connection.deliver_late()

    async def _dies(self, n: int) -> None:
        await self._stalls(n)
        self.dead.append(self.workers[n])
        self.workers[n] = self._worker()

    async def _stalls(self, n: int) -> None:
        """The others take it for dead."""
        await self.redis.client.zadd("touchline:workers", {self.workers[n].name: 0})

    async def _emptied(self) -> None:
        await self._drained()
        await self.redis.client.flushall()
        self.reader.store_was_emptied()

    async def _damaged(self, room: str, key: str, value: bytes) -> None:
        """Somebody deletes a key, or writes to a hash for a worker or player that is there, and for one that is not."""
        await self._drained()
        worker = self.workers[0].name
        full = f"touchline:{{presence.{shard.shard_of(room)}}}:{key.replace('ROOM', room).replace('WORKER', worker)}"
        if value and key in ("viewers:ROOM", "players:ROOM"):
            fields = (worker, "foreign") if key.startswith("viewers") else ("ann", "foreign")
            await self.redis.client.hset(full, mapping=dict.fromkeys(fields, value))
        else:
            await self.redis.client.delete(full)
        self.is_damaged = True

    async def _drained(self) -> None:
        if self.is_damaged:
            return
        taken = await self.outbox.take()
        self.reader.read(waiting.record for waiting in taken.waiting)
        self.reader.read([waiting.record for waiting in (await self.outbox.take()).waiting])  # each of them twice
        self.reader.read(await drained(self.outbox))

    async def settle(self) -> None:
        """Nothing happens any more but exchanges: two that fail, one that arrives, one that hears of the others'."""
        for worker in self.workers:
            worker.watched = worker.listed = frozenset(ROOMS)
            worker.connection.fault = None
        for worker in (*self.workers, *self.dead):
            await worker.connection.deliver_late()
        for dead in self.dead:  # what arrived late was from before it died
            await self.redis.client.zadd("touchline:workers", {dead.name: 0})
        for worker in self.workers:
            worker.names_all = self.is_damaged  # what takes five minutes otherwise
        for _ in range(6 if self.is_damaged else 3):
            for worker in self.workers:
                await worker.exchange()
        await self._drained()

    def check(self) -> None:
        viewers = Counter[str]()
        players: dict[str, set[str]] = {room: set() for room in ROOMS}
        for worker in self.workers:
            viewers.update(worker.viewers)
            for at in worker.players:
                players[at.room].add(at.player)
        members = {room: frozenset(p) if len(p) <= MEMBERS_MAX else TOO_MANY for room, p in players.items()}
        for worker in self.workers:
            assert worker.totals == {room: viewers[room] for room in worker.watched}
            assert worker.members == {room: members[room] for room in worker.listed}
        if self.is_damaged:
            return  # readers are right once each room has had its next `room_state`
        read = self.reader.occupied()
        assert read.keys() == {room for room, count in viewers.items() if count}
        for room, names in read.items():
            assert names in (players[room], None)

    async def close(self) -> None:
        for worker in (*self.workers, *self.dead):
            await worker.connection.close()
        await self.redis.client.flushall()
        await self.redis.close()


def _set(table: dict[Any, int], key: Any, count: int) -> None:
    if count:
        table[key] = count
    else:
        table.pop(key, None)


async def _play(url: str, history: Sequence[tuple[Any, ...]]) -> None:
    fleet = History(url)
    try:
        for step in history:
            await fleet.step(*step)
        await fleet.settle()
        fleet.check()
    finally:
        await fleet.close()


@pytest.fixture(autouse=True)
def _few_shards_and_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchanges of several round trips, though only three rooms are in it."""
    for module in (shard, store, outbox):
        monkeypatch.setattr(module, "SHARDS", 2)
    monkeypatch.setattr(reports, "PART_MAX", 2)
    monkeypatch.setattr(
        store, "EXCHANGE", Script.of(store.EXCHANGE.text.replace("CHECK_US = 300000000", "CHECK_US = 0"))
    )


@settings(max_examples=examples(0.3), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES)
def test_any_history_ends_with_the_right_numbers(redis: RedisServer, history: Sequence[tuple[Any, ...]]) -> None:
    asyncio.run(_play(redis.url, history))
