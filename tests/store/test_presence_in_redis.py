"""Presence in a real Redis keeps the contract, and more that only a shared store can break."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from redis.crc import key_slot

from store.presence_contract import BOTH, NONE, OTHER, ROOM, OutboxContract, PresenceContract, change, whole
from store.presence_fleets import InRedis, drained
from store.presence_worker import Fault, FaultyConnection
from support.redis_kinds import make_cluster, move_slot
from support.redis_server import RedisServer
from support.waiting import DEADLINE_S
from touchline_protocol.errors import StoreUnavailable
from touchline_protocol.presence.records import PresenceRecord
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.core.presence.outbox import Outbox
from touchline_server.core.presence.port import MemberChanges, PresenceStore, Report
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.presence import store as presence_store
from touchline_server.store.redis.presence.outbox import LEASE_MS
from touchline_server.store.redis.presence.shard import shard_of
from touchline_server.store.redis.scripts import Script

SETTINGS = PresenceSettings(members_max=3, records=True, outbox_max=1000)


@pytest_asyncio.fixture
async def connection(redis: RedisServer) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(RedisSettings(url=redis.url, timeout_s=5))
    yield connection
    await connection.close()


@pytest.fixture
def fleet(connection: RedisConnection) -> InRedis:
    return InRedis(SETTINGS, connection)


class TestPresence(PresenceContract):
    pass


class TestOutbox(OutboxContract):
    pass


def check_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each exchange check all rooms that it can, and not only those of five minutes ago."""
    text = presence_store.EXCHANGE.text.replace("CHECK_US = 300000000", "CHECK_US = 0")
    assert text != presence_store.EXCHANGE.text
    monkeypatch.setattr(presence_store, "EXCHANGE", Script.of(text))


async def next_state(outbox: Outbox) -> PresenceRecord:
    """The next record ``room_state``. It and all before it are removed."""
    taken = await outbox.take()
    while True:
        for waiting in taken.waiting:
            if waiting.record.kind == "room_state":
                await outbox.leave(taken.waiting)
                return waiting.record
        taken = await outbox.take(taken.waiting)


async def test_a_redis_that_was_emptied_is_reported_to_again_and_is_not_complete_before(
    fleet: InRedis, connection: RedisConnection
) -> None:
    one, two = fleet.worker("one"), fleet.worker("two")
    watched = frozenset({ROOM})
    await one.exchange(whole({ROOM: 1}))
    await two.exchange(whole({ROOM: 2}, watched=watched))
    await connection.client.flushall()
    for store in (one, two):
        with pytest.raises(StoreUnavailable):
            await store.exchange(change())
        with pytest.raises(StoreUnavailable):
            await store.exchange(change())
    answer = await two.exchange(whole({ROOM: 2}, watched=watched))
    assert (answer.viewers, answer.complete) == ({ROOM: 2}, False)
    assert not (await two.viewers([ROOM])).complete
    await one.exchange(whole({ROOM: 1}))
    answer = await two.exchange(change(watched=watched))
    assert (answer.viewers, answer.complete) == ({ROOM: 3}, True)
    assert await two.viewers([ROOM]) == ({ROOM: 3}, True)


async def test_an_emptied_redis_is_not_complete_for_the_first_who_reports_again(
    fleet: InRedis, connection: RedisConnection
) -> None:
    one, two = fleet.worker("one"), fleet.worker("two")
    watched = frozenset({ROOM})
    await one.exchange(whole({ROOM: 1}))
    await two.exchange(whole({ROOM: 2}, watched=watched))
    await connection.client.flushall()
    assert not (await two.viewers([ROOM])).complete
    with pytest.raises(StoreUnavailable):
        await two.exchange(change())
    answer = await two.exchange(whole({ROOM: 2}, watched=watched))
    assert (answer.viewers, answer.complete) == ({ROOM: 2}, False)
    assert not (await two.viewers([ROOM])).complete
    with pytest.raises(StoreUnavailable):
        await one.exchange(change())
    await one.exchange(whole({ROOM: 1}))
    answer = await two.exchange(change(watched=watched))
    assert (answer.viewers, answer.complete) == ({ROOM: 3}, True)


async def test_a_worker_that_never_reports_again_keeps_an_emptied_redis_incomplete_for_a_while_only(
    fleet: InRedis, connection: RedisConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = fleet.worker("one"), fleet.worker("two")
    await one.exchange(whole({ROOM: 1}))
    await two.exchange(whole({ROOM: 2}))
    await connection.client.flushall()
    with pytest.raises(StoreUnavailable):
        await two.exchange(change())
    assert not (await two.exchange(whole({ROOM: 2}))).complete
    monkeypatch.setattr(presence_store, "SETTLING_US", 0)
    assert (await two.exchange(change())).complete


async def test_readers_are_told_the_state_of_rooms_again_after_redis_was_emptied(
    fleet: InRedis, connection: RedisConnection
) -> None:
    store = fleet.worker("one")
    await store.exchange(whole({ROOM: 1}, {"ann": 1}))
    before = await drained(fleet.outbox("one"))
    await connection.client.flushall()
    with pytest.raises(StoreUnavailable):
        await store.exchange(change())
    await store.exchange(whole({ROOM: 2}, {"ann": 1, "bob": 1}))
    (state,) = await drained(fleet.outbox("one"))
    assert (state.kind, state.viewers, sorted(state.players or ())) == ("room_state", 2, ["ann", "bob"])
    assert state.seq > before[-1].seq
    await store.exchange(change(players={"bob": 0}))
    assert [record.kind for record in await drained(fleet.outbox("one"))] == ["player_left"]


async def test_the_state_after_redis_was_emptied_has_the_viewers_of_each_worker_that_reports_again(
    fleet: InRedis, connection: RedisConnection
) -> None:
    reports = {"one": whole({ROOM: 3}), "two": whole({ROOM: 4}), "three": whole({ROOM: 5})}
    workers = {name: fleet.worker(name) for name in reports}
    for name, store in workers.items():
        await store.exchange(reports[name])
    await drained(fleet.outbox("one"))
    await connection.client.flushall()
    for store in workers.values():
        with pytest.raises(StoreUnavailable):
            await store.exchange(change())
    states: list[PresenceRecord] = []
    for name, store in workers.items():
        await store.exchange(reports[name])
        states += await drained(fleet.outbox("one"))  # a record may be written before the next worker reports
    assert {state.kind for state in states} == {"room_state"}
    assert states[-1].viewers == 12
    await workers["one"].exchange(change({ROOM: 2}))
    assert await drained(fleet.outbox("one")) == [], "that is a change as any"


async def test_a_report_that_was_given_up_and_arrives_late_changes_nothing(
    fleet: InRedis, redis: RedisServer, connection: RedisConnection
) -> None:
    faulty = FaultyConnection(RedisSettings(url=redis.url, timeout_s=5))
    store = InRedis(SETTINGS, faulty).worker("one")
    for report in (whole({ROOM: 5}, {"ann": 1}), change({ROOM: 6}, {"bob": 1})):
        faulty.fault, faulty.fault_after = Fault.LATE, 1
        with pytest.raises(StoreUnavailable):
            await store.exchange(report)
        await store.exchange(whole({ROOM: 2}))
        await faulty.deliver_late()
        assert (await store.viewers([ROOM])).viewers == {ROOM: 2}
        assert (await store.exchange(change(watched=frozenset({ROOM})))).viewers == {ROOM: 2}
    await faulty.close()


async def test_a_worker_that_comes_back_while_it_is_being_removed_stays(
    fleet: InRedis, redis: RedisServer, connection: RedisConnection
) -> None:
    faulty = FaultyConnection(RedisSettings(url=redis.url, timeout_s=5))
    one, two = fleet.worker("one"), InRedis(SETTINGS, faulty).worker("two")
    await one.exchange(whole({ROOM: 1}))
    await two.exchange(whole({ROOM: 1}))
    await fleet.kill("one")
    faulty.fault, faulty.fault_after = Fault.LATE, 1
    with pytest.raises(StoreUnavailable):
        await two.exchange(change())
    await one.exchange(whole({ROOM: 1}))
    await faulty.deliver_late()
    assert (await one.viewers([ROOM])).viewers == {ROOM: 2}
    await one.exchange(change({ROOM: 2}))
    assert (await one.viewers([ROOM])).viewers == {ROOM: 3}
    await faulty.close()


async def test_a_dead_worker_is_removed_in_small_steps(fleet: InRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = [room for room in (f"match:{n}" for n in range(20_000)) if shard_of(room) == 3][:600]
    one, two = fleet.worker("one"), fleet.worker("two")
    await one.exchange(whole(dict.fromkeys(rooms, 1)))
    await two.exchange(whole())
    await fleet.kill("one")
    monkeypatch.setattr(presence_store, "ROUNDS_MAX", 1)
    left = []
    for _ in range(3):
        await two.exchange(change())
        left.append(sum((await two.viewers(rooms)).viewers.values()))
    assert left == [350, 100, 0]


async def test_workers_that_died_at_once_are_removed_by_several_at_once(fleet: InRedis) -> None:
    dead = [fleet.worker(f"dead{n}") for n in range(4)]
    alive = [fleet.worker(f"alive{n}") for n in range(4)]
    for store in (*dead, *alive):
        await store.exchange(whole({ROOM: 1}, {"ann": 1}))
    for n in range(len(dead)):
        await fleet.kill(f"dead{n}")
    watched = frozenset({ROOM})
    await asyncio.gather(*(store.exchange(change(watched=watched)) for store in alive))
    for store in alive:
        await store.exchange(change(watched=watched))
        assert (await store.viewers([ROOM])).viewers == {ROOM: len(alive)}


async def test_nothing_of_rooms_and_workers_that_are_gone_stays_in_redis(
    fleet: InRedis, connection: RedisConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_always(monkeypatch)
    one, two = fleet.worker("one"), fleet.worker("two")
    await one.exchange(whole({ROOM: 1}, {"ann": 1}, BOTH, BOTH))
    await two.exchange(whole({ROOM: 1, OTHER: 1}, {"bob": 1}, BOTH, BOTH))
    await one.exchange(change(watched=BOTH, listed=BOTH))
    await fleet.kill("two")
    await one.exchange(change({ROOM: 0}, {"ann": 0}))
    await one.exchange(change())
    await drained(fleet.outbox("one"))
    left = [key.decode().split("}:", 1)[1] async for key in connection.client.scan_iter("touchline:{presence.*")]
    bounded = {"meta", "workers", "viewers_changed", "players_changed", f"moves:{ROOM}", "drained_by"}
    assert set(left) <= bounded


async def test_only_one_worker_at_a_time_writes_a_shards_records(fleet: InRedis, connection: RedisConnection) -> None:
    await fleet.worker("one").exchange(whole({ROOM: 1}))
    one, two = fleet.outbox("one"), fleet.outbox("two")
    taken = await one.take()
    assert [waiting.record.kind for waiting in taken.waiting] == ["room_occupied"]
    assert (await two.take()).waiting == []
    await one.leave()
    assert (await two.take()).waiting == taken.waiting
    lease = f"touchline:{{presence.{shard_of(ROOM)}}}:drained_by"
    assert 0 < await connection.client.pttl(lease) <= LEASE_MS
    await connection.client.delete(lease)  # it is over: the worker died
    assert (await one.take()).waiting == taken.waiting
    await two.leave(taken.waiting)
    assert (await one.take()).waiting == [], "they were written, by whomever"


async def test_each_occupied_room_has_its_state_recorded_again_and_again(connection: RedisConnection) -> None:
    fleet = InRedis(SETTINGS.model_copy(update={"room_state_s": 0.001}), connection)
    store, outbox = fleet.worker("one"), fleet.outbox("one")
    await store.exchange(whole({ROOM: 2}, {"ann": 1}))
    for _ in range(2):
        async with asyncio.timeout(DEADLINE_S):
            state = await next_state(outbox)
        assert (state.viewers, state.players) == (2, ["ann"])
    await store.exchange(change({ROOM: 0}, {"ann": 0}))
    assert (await drained(outbox))[-1].kind == "room_empty"


async def test_a_redis_that_was_away_is_right_again_with_the_first_report(
    redis_factory: Callable[..., RedisServer],
) -> None:
    server = redis_factory()
    connection = RedisConnection(RedisSettings(url=server.url, timeout_s=5))
    fleet = InRedis(SETTINGS, connection)
    one, two = fleet.worker("one"), fleet.worker("two")
    await one.exchange(whole({ROOM: 1}, {"ann": 1}))
    await two.exchange(whole({ROOM: 1}, {"ann": 1}))
    server.stop(kill=True)
    for store in (one, two):
        with pytest.raises(StoreUnavailable):
            await store.exchange(change({ROOM: 2}))
    server.start()
    await one.exchange(whole({ROOM: 2}, {"ann": 1}))
    watched = frozenset({ROOM})
    answer = await two.exchange(whole({ROOM: 3}, {"ann": 1}, watched, watched))
    assert (answer.viewers, answer.members, answer.complete) == ({ROOM: 5}, {ROOM: frozenset({"ann"})}, True)
    await connection.close()


async def test_changes_are_forgotten_only_once_they_were_read_or_the_reader_starts_over(
    fleet: InRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (fleet.worker(name) for name in ("one", "two", "three"))
    watched = frozenset({ROOM})
    for store in (one, three):
        await store.exchange(whole(watched=watched, listed=watched))
    await two.exchange(whole({ROOM: 1}, {"ann": 1}))
    text = presence_store.EXCHANGE.text
    forgetful = text.replace("HISTORY_US = 60000000", "HISTORY_US = 0")
    assert forgetful != text
    monkeypatch.setattr(presence_store, "EXCHANGE", Script.of(forgetful))
    answer = await one.exchange(change(watched=watched, listed=watched))
    assert (answer.viewers, answer.members) == ({ROOM: 1}, {ROOM: MemberChanges(frozenset({"ann"}), NONE)})
    with pytest.raises(StoreUnavailable):
        await three.exchange(change(watched=watched, listed=watched))
    answer = await three.exchange(whole(watched=watched, listed=watched))
    assert (answer.viewers, answer.members) == ({ROOM: 1}, {ROOM: frozenset({"ann"})})


DAMAGED = ["xx", "5", "nan", "inf", "1.5", "9e15"]


@pytest.mark.parametrize("value", DAMAGED)
@pytest.mark.parametrize("field", ["seq", "epoch", "viewers_trimmed", "players_trimmed", "dropped"])
async def test_presence_goes_on_after_a_number_of_a_shard_was_damaged(
    field: str, value: str, fleet: InRedis, connection: RedisConnection
) -> None:
    one, two, room = fleet.worker("one"), fleet.worker("two"), frozenset({ROOM})
    await one.exchange(whole({ROOM: 1}, {"ann": 1}, room, room))
    await two.exchange(whole({ROOM: 1}, {"bob": 1}))
    await drained(fleet.outbox("one"))
    await connection.client.hset(f"touchline:{{presence.{shard_of(ROOM)}}}:meta", field, value)
    await two.viewers([ROOM])
    await drained(fleet.outbox("one"))
    await reported(two, change({ROOM: 2}, {"cid": 1}), whole({ROOM: 2}, {"bob": 1, "cid": 1}))
    await reported(one, change(watched=room, listed=room), whole({ROOM: 1}, {"ann": 1}, room, room))
    await two.exchange(change({ROOM: 5}, {"cid": 0}))
    answer = await one.exchange(change(watched=room, listed=room))
    assert answer.viewers == {ROOM: 6}
    assert answer.members == {ROOM: MemberChanges(NONE, frozenset({"cid"}))}
    records = await drained(fleet.outbox("one"))
    assert [record.seq for record in records] == sorted({record.seq for record in records})
    assert records[-1].kind in {"player_left", "room_state"}


async def reported(store: PresenceStore, report: Report, everything: Report) -> None:
    """Report, and once more in whole if the store has lost something."""
    try:
        await store.exchange(report)
    except StoreUnavailable:
        await store.exchange(everything)


@pytest.mark.parametrize("value", DAMAGED)
async def test_records_are_dropped_although_the_number_of_those_before_was_damaged(
    value: str, fleet: InRedis, connection: RedisConnection
) -> None:
    store = fleet.worker("one")
    await store.exchange(whole({ROOM: 1}))
    await connection.client.hset(f"touchline:{{presence.{shard_of(ROOM)}}}:meta", "dropped", value)
    await store.exchange(change(players={f"p{n}": 1 for n in range(100)}))
    assert (await fleet.outbox("one").take()).dropped > 0


@pytest.mark.parametrize("ttl_s", [None, 3600])
async def test_a_lease_that_somebody_wrote_does_not_keep_records_from_the_log(
    ttl_s: int | None, fleet: InRedis, connection: RedisConnection
) -> None:
    await fleet.worker("one").exchange(whole({ROOM: 1}))
    await connection.client.set(f"touchline:{{presence.{shard_of(ROOM)}}}:drained_by", "odd", ex=ttl_s)
    assert [record.kind for record in await drained(fleet.outbox("one"))] == ["room_occupied"]


async def test_a_check_goes_on_from_a_place_that_somebody_wrote(fleet: InRedis, connection: RedisConnection) -> None:
    store = fleet.worker("one")
    await store.exchange(whole({ROOM: 1}, {"ann": 1}))
    shard = f"touchline:{{presence.{shard_of(ROOM)}}}:"
    await connection.client.hset(f"{shard}meta", "checking", "9" * 30 + f" {ROOM}")
    await connection.client.hset(f"{shard}viewers:{ROOM}", "foreign", 7)
    await connection.client.zadd(f"{shard}checks", {ROOM: 0})  # five minutes are over
    await store.exchange(change())
    assert (await store.viewers([ROOM])).viewers == {ROOM: 1}


@pytest.mark.parametrize("changed", ["viewers_changed", "players_changed"])
@pytest.mark.parametrize("score", [9e15, float("inf")])
async def test_a_change_of_the_future_that_somebody_wrote_hides_no_other(
    changed: str, score: float, fleet: InRedis, connection: RedisConnection
) -> None:
    one, two, room = fleet.worker("one"), fleet.worker("two"), frozenset({ROOM})
    await one.exchange(whole(watched=room, listed=room))
    await connection.client.zadd(f"touchline:{{presence.{shard_of(ROOM)}}}:{changed}", {"match:odd": score})
    await one.exchange(change(watched=room, listed=room))
    await two.exchange(whole({ROOM: 1}, {"ann": 1}))
    answer = await one.exchange(change(watched=room, listed=room))
    assert (answer.viewers, answer.members) == ({ROOM: 1}, {ROOM: MemberChanges(frozenset({"ann"}), NONE)})


@pytest.mark.parametrize("mark", ["xx", "dead", "-1 1", "1000000 1", "9" * 30 + " 1"])
async def test_a_worker_whose_mark_was_damaged_reports_everything_again(
    mark: str, fleet: InRedis, connection: RedisConnection
) -> None:
    store, room = fleet.worker("one"), frozenset({ROOM})
    await store.exchange(whole({ROOM: 1}, watched=room))
    await connection.client.hset(f"touchline:{{presence.{shard_of(ROOM)}}}:workers", "one", mark)
    with pytest.raises(StoreUnavailable):
        await store.exchange(change({ROOM: 2}, watched=room))
    await reported(store, whole({ROOM: 3}, watched=room), whole({ROOM: 3}, watched=room))
    await store.exchange(change({ROOM: 4}, watched=room))
    assert (await store.viewers([ROOM])).viewers == {ROOM: 4}


def keys_of(room: str) -> tuple[str, str]:
    shard = f"touchline:{{presence.{shard_of(room)}}}:"
    return f"{shard}viewers:{room}", f"{shard}players:{room}"


async def test_what_no_worker_has_reported_is_removed_and_told_to_everybody(
    fleet: InRedis, connection: RedisConnection
) -> None:
    one, two = fleet.worker("one"), fleet.worker("two")
    room = frozenset({ROOM})
    await one.exchange(whole({ROOM: 3}, {"ann": 1}))
    viewers, players = keys_of(ROOM)
    await connection.client.hset(viewers, mapping={"foreign": 7, "odd": "x"})
    await connection.client.hset(players, mapping={"bob": "\nforeign\n", "cid": "x", "ann": "\nforeign\none\none\n"})
    answer = await two.exchange(whole(watched=room, listed=room))
    assert (answer.viewers, answer.members) == ({ROOM: 10}, {ROOM: frozenset({"ann", "bob", "cid"})})
    await connection.client.zadd(viewers.replace(f"viewers:{ROOM}", "checks"), {ROOM: 0})  # five minutes are over
    answer = await two.exchange(change(watched=room, listed=room))
    assert (answer.viewers, answer.members) == ({ROOM: 3}, {ROOM: MemberChanges(NONE, frozenset({"bob", "cid"}))})
    assert await connection.client.hgetall(players) == {b"ann": b"\none\n"}
    await one.exchange(change({ROOM: 0}, {"ann": 0}))
    left = [record.kind for record in await drained(fleet.outbox("one"))]
    assert left[-2:] == ["player_left", "room_empty"]


async def test_a_room_that_nobody_has_reported_is_empty_once_somebody_has_asked_for_it(
    fleet: InRedis, connection: RedisConnection
) -> None:
    store = fleet.worker("one")
    await store.exchange(whole())
    await connection.client.hset(keys_of(ROOM)[0], "foreign", 7)
    assert (await store.viewers([ROOM])).viewers == {ROOM: 7}
    await store.exchange(change())
    assert (await store.viewers([ROOM])).viewers == {ROOM: 0}


@pytest.mark.parametrize("what", ["rooms", "players"])
async def test_a_worker_whose_entries_nobody_has_a_list_of_reports_everything_again(
    what: str, fleet: InRedis, connection: RedisConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_always(monkeypatch)
    one, two = fleet.worker("one"), fleet.worker("two")
    room, everything = frozenset({ROOM}), whole({ROOM: 3}, {"ann": 1})
    await one.exchange(everything)
    await two.exchange(whole(watched=room, listed=room))
    await connection.client.delete(f"touchline:{{presence.{shard_of(ROOM)}}}:of:one:{what}")
    await two.exchange(change(watched=room, listed=room))
    with pytest.raises(StoreUnavailable):
        await one.exchange(change())
    await one.exchange(everything)
    await two.exchange(change(watched=room, listed=room))
    answer = await two.exchange(whole(watched=room, listed=room))
    assert (answer.viewers, answer.members) == ({ROOM: 3}, {ROOM: frozenset({"ann"})})
    await fleet.kill("one")
    assert (await two.exchange(change(watched=room, listed=room))).viewers == {ROOM: 0}


async def test_a_check_of_a_large_room_goes_on_where_the_call_before_stopped(
    connection: RedisConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_always(monkeypatch)
    store = InRedis(SETTINGS.model_copy(update={"records": False}), connection).worker("one")
    players = keys_of(ROOM)[1]
    await store.exchange(whole({ROOM: 1}, {f"p{n}": 1 for n in range(1500)}))
    await connection.client.hset(players, mapping={f"f{n}": "\nforeign\n" for n in range(1500)})
    left: list[int] = []
    while not left or left[-1] > 1500:
        await store.exchange(change())
        left.append(await connection.client.hlen(players))
    assert len(left) > 5, "one call checks some 250"
    assert left[-1] == 1500


@pytest.mark.long
async def test_a_cluster_shares_the_shards_and_moves_them(redis_factory: Callable[..., RedisServer]) -> None:
    servers = make_cluster(redis_factory)
    connection = RedisConnection(RedisSettings(url=servers[0].url.removesuffix("/0"), cluster=True, timeout_s=5))
    fleet = InRedis(SETTINGS, connection)
    rooms = frozenset(f"match:{n}" for n in range(100))
    one, two = fleet.worker("one"), fleet.worker("two")
    await one.exchange(whole(dict.fromkeys(rooms, 1)))
    assert (await two.exchange(whole(dict.fromkeys(rooms, 2), watched=rooms))).viewers == dict.fromkeys(rooms, 3)
    for shard in (0, 7):
        await asyncio.to_thread(move_slot, servers, key_slot(f"touchline:{{presence.{shard}}}".encode()))
    report = change(dict.fromkeys(rooms, 2))
    async with asyncio.timeout(DEADLINE_S):
        while True:  # calls to a slot that moves are outages
            try:
                await one.exchange(report)
                break
            except StoreUnavailable:
                report = whole(dict.fromkeys(rooms, 2))
    assert (await two.viewers(rooms)).viewers == dict.fromkeys(rooms, 4)
    assert {record.room for record in await drained(fleet.outbox("one"))} == rooms
    await connection.close()
