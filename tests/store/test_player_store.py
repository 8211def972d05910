"""What every player store promises, checked with the one in memory and the one in Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from zlib import crc32

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from store.player_fleets import Fleet, InMemory, InRedis
from support.redis_kinds import make_cluster
from support.redis_server import RedisServer
from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings
from touchline_server.core.players.player_store import (
    Admission,
    Answer,
    Arrival,
    Exchange,
    Holding,
    Limits,
    Loss,
    PlayerStore,
)
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.players import SLOTS, RedisPlayerStore

LIMITS = Limits(connections_max=3, interval_ms=1000.0)
ODD_NAMES = ["ann", "a:b", "{x}", "", "Zoë ☂", "x" * 200]


@pytest_asyncio.fixture(params=["memory", "redis"])
async def fleet(request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    fleet: Fleet = InMemory() if request.param == "memory" else InRedis(request.getfixturevalue("redis").url)
    yield fleet
    await fleet.close()


async def ask(store: PlayerStore, *, everywhere: bool = True, **parts: Any) -> Answer:
    return await store.exchange(Exchange(LIMITS, everywhere=everywhere, **parts))


async def arrive(store: PlayerStore, player: str, connections: int, session: str | None = None) -> Admission:
    (admission,) = (await ask(store, everywhere=False, arrivals=[Arrival(player, connections, session)])).admissions
    return admission


@pytest.mark.parametrize("player", ODD_NAMES)
async def test_connections_are_counted_over_all_workers(fleet: Fleet, player: str) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    assert not (await arrive(one, player, 1)).is_refused
    assert not (await arrive(other, player, 1)).is_refused
    assert not (await arrive(other, player, 2)).is_refused
    assert (await arrive(one, player, 2)).is_refused
    assert (await arrive(other, player, 3)).is_refused
    assert not (await arrive(other, "somebody else", 1)).is_refused
    await ask(other, connections={player: 1})
    assert not (await arrive(one, player, 2)).is_refused
    await ask(other, connections={player: 0})
    assert not (await arrive(one, player, 3)).is_refused


async def test_of_arrivals_at_the_same_moment_no_more_are_let_in_than_may(fleet: Fleet) -> None:
    workers = [fleet.worker(f"w{number}") for number in range(8)]
    admissions = await asyncio.gather(*(arrive(worker, "ann", 1) for worker in workers))
    assert sum(not admission.is_refused for admission in admissions) == LIMITS.connections_max


async def test_a_dead_workers_connections_and_sessions_are_free(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    await arrive(one, "ann", 3, "s")
    assert (await arrive(other, "ann", 1, "s")).is_refused
    await fleet.kill("one")
    claimed = await arrive(other, "ann", 1, "s")
    assert not claimed.is_refused
    assert not (await ask(one)).is_known
    (number,) = (await ask(other, held=[Holding("ann", "s", claimed.number, 0)])).held
    assert number == claimed.number


async def test_a_worker_that_ends_counts_no_more(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    await arrive(one, "ann", 3)
    await one.close()
    assert not (await arrive(other, "ann", 1)).is_refused


async def test_a_claim_takes_a_session_from_the_worker_that_held_it(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    first = await arrive(one, "ann", 1, "s")
    assert (await ask(one, held=[Holding("ann", "s", first.number, 41)])).held == [first.number]
    second = await arrive(other, "ann", 1, "s")
    assert second.number > first.number > 0
    assert second.last_action == 41
    answer = await ask(one, held=[Holding("ann", "s", first.number, 41)])
    assert (answer.held, answer.lost) == ([0], [Loss("ann", "s", second.number)])
    assert (await ask(one)).lost == []
    assert (await ask(other)).lost == []
    third = await arrive(one, "ann", 1, "s")
    assert third.number > second.number
    assert (await ask(other)).lost == [Loss("ann", "s", third.number)]


@pytest.mark.parametrize("player", ODD_NAMES)
async def test_sessions_of_different_players_never_interfere(fleet: Fleet, player: str) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    held = await arrive(one, player, 1, "s")
    await arrive(other, "bob", 1, "s")
    await arrive(other, player, 1, "t")
    answer = await ask(one, held=[Holding(player, "s", held.number, 7)])
    assert (answer.held, answer.lost) == ([held.number], [])
    assert (await arrive(other, player, 2, "s")).last_action == 7


async def test_of_claims_at_the_same_moment_exactly_one_owns_the_session(fleet: Fleet) -> None:
    workers = [fleet.worker(f"w{number}") for number in range(3)]
    for worker in workers:
        await ask(worker)
    for _ in range(5):
        claims = await asyncio.gather(*(arrive(worker, "ann", 1, "s") for worker in workers))
        numbers = [claim.number for claim in claims]
        assert len(set(numbers)) == len(workers)
        held = [
            (await ask(worker, held=[Holding("ann", "s", number, 0)])).held[0]
            for worker, number in zip(workers, numbers, strict=True)
        ]
        assert held == [number if number == max(numbers) else 0 for number in numbers]


async def test_a_session_that_was_left_keeps_its_newest_action_for_the_next_claim(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    first = await arrive(one, "ann", 1, "s")
    await ask(one, released=[Holding("ann", "s", first.number, 5)])
    await ask(one, released=[Holding("ann", "s", first.number, 6)])  # an action that was under way
    second = await arrive(other, "ann", 1, "s")
    assert (second.last_action, second.number) == (6, first.number + 1)
    assert (await ask(one)).lost == []
    await ask(one, released=[Holding("ann", "s", first.number, 9)])  # too late: it is not this worker's any more
    assert (await ask(other, held=[Holding("ann", "s", second.number, 6)])).held == [second.number]
    assert (await arrive(one, "ann", 1, "s")).last_action == 6


async def test_a_session_that_was_entered_without_the_store_is_claimed_later(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    first = await arrive(one, "ann", 1, "s")
    (claimed,) = (await ask(other, held=[Holding("ann", "s", 0, 12)])).held
    assert claimed > first.number
    assert (await ask(one)).lost == [Loss("ann", "s", claimed)]
    assert (await arrive(one, "ann", 1, "s")).last_action == 12


async def test_an_emptied_store_says_so_and_takes_everything_again(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    assert not (await ask(one)).is_known
    first = await arrive(one, "ann", 2, "s")
    assert (await ask(one)).is_known
    await fleet.empty()
    answer = await ask(one, connections={"ann": 2}, held=[Holding("ann", "s", first.number, 3)])
    assert (answer.is_known, answer.held) == (False, [first.number])
    assert (await arrive(other, "ann", 2)).is_refused
    assert (await arrive(other, "ann", 1, "s")).last_action == 3


async def test_a_claim_made_after_the_store_was_emptied_beats_those_from_before(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    first = await arrive(one, "ann", 1, "s")
    await fleet.empty()
    second = await arrive(other, "ann", 1, "s")
    assert second.number > first.number
    assert (await ask(one, held=[Holding("ann", "s", first.number, 0)])).held == [0]


async def test_a_store_that_went_back_to_an_older_state_learns_the_newer_number_again(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    first = await arrive(one, "ann", 1, "s")
    assert (await ask(other, held=[Holding("ann", "s", first.number + 5, 0)])).held == [first.number + 5]
    assert (await ask(one, held=[Holding("ann", "s", first.number, 0)])).held == [0]


async def test_actions_on_all_workers_fill_one_bucket(fleet: Fleet) -> None:
    one, other = fleet.worker("one"), fleet.worker("other")
    owed = (await ask(one, actions={"ann": 10, "bob": 1})).until_full_ms
    assert owed == {"ann": pytest.approx(10_000, abs=500), "bob": pytest.approx(1_000, abs=500)}
    assert (await ask(other, actions={"ann": 5})).until_full_ms == {"ann": pytest.approx(15_000, abs=1_000)}
    assert (await arrive(other, "ann", 1)).until_full_ms == pytest.approx(15_000, abs=1_000)
    assert (await arrive(other, "eve", 1)).until_full_ms == 0


async def test_a_large_exchange_is_answered_in_order(fleet: Fleet) -> None:
    store = fleet.worker("one")
    players = [f"player-{number}" for number in range(300)]
    answer = await ask(
        store, arrivals=[Arrival(player, 1 + number % 5, player) for number, player in enumerate(players)]
    )
    assert [admission.is_refused for admission in answer.admissions] == [number % 5 > 2 for number in range(300)]
    holdings = [
        Holding(player, player, admission.number, number)
        for number, (player, admission) in enumerate(zip(players, answer.admissions, strict=True))
        if admission.number
    ]
    assert (await ask(store, held=holdings)).held == [holding.number for holding in holdings]


async def test_redis_may_lose_its_scripts_and_be_away(redis_factory: Callable[..., RedisServer]) -> None:
    server = redis_factory()
    connection = RedisConnection(RedisSettings(url=server.url))
    store = RedisPlayerStore(connection, "one")
    await ask(store)
    async with Redis.from_url(server.url) as redis:
        await redis.script_flush()
    assert (await ask(store)).is_known
    server.stop(kill=True)
    with pytest.raises(StoreUnavailable):
        await ask(store)
    server.start()
    assert not (await ask(store)).is_known
    await connection.close()


class ForgetfulConnection(RedisConnection):
    """A connection to a Redis that lacks the first script of the next pipeline, as one node of a Cluster may."""

    forgets = False

    def pipeline(self) -> Pipeline:
        pipeline = super().pipeline()
        execute = pipeline.execute

        async def execute_without_the_first(raise_on_error: bool = True) -> list[Any]:
            if self.forgets:
                self.forgets = False
                args, options = pipeline.command_stack[0]
                pipeline.command_stack[0] = ("EVALSHA", "0" * 40, *args[2:]), options
            return await execute(raise_on_error=raise_on_error)

        pipeline.execute = execute_without_the_first  # type: ignore[method-assign]
        return pipeline


async def test_what_other_slots_have_counted_is_not_counted_again_once_a_script_is_loaded(redis: RedisServer) -> None:
    connection = ForgetfulConnection(RedisSettings(url=redis.url))
    one = RedisPlayerStore(connection, "one")
    await ask(one)
    connection.forgets = True
    actions = {f"player-{number}": 1 for number in range(50)}
    owed = (await ask(one, actions=actions)).until_full_ms
    assert not connection.forgets
    assert owed == dict.fromkeys(actions, pytest.approx(1_000, abs=500))
    await connection.close()


@pytest.mark.parametrize("value", ["xx", "nan", "inf", "-7", "1.5"])
async def test_a_player_whose_numbers_were_damaged_goes_on(redis: RedisServer, value: str) -> None:
    connection = RedisConnection(RedisSettings(url=redis.url))
    one, other = RedisPlayerStore(connection, "one"), RedisPlayerStore(connection, "other")
    first = await arrive(one, "ann", 1, "s")
    await ask(other, connections={"ann": 1})
    base = f"touchline:{{players.{crc32(b'ann') % SLOTS}}}"
    await connection.client.hset(f"{base}:session:ann:s", mapping={"number": value, "last": value})
    await connection.client.hset(f"{base}:connections:other", "ann", value)
    await connection.client.set(f"{base}:rate:ann", value)
    answer = await ask(one, held=[Holding("ann", "s", first.number, 7)], actions={"ann": 3})
    assert answer.held == [first.number]
    assert answer.until_full_ms == {"ann": pytest.approx(3_000, abs=500)}
    await connection.client.hset(f"{base}:session:ann:s", mapping={"number": value, "last": value})
    await connection.client.set(f"{base}:rate:ann", value)
    claimed = await arrive(one, "ann", 1, "s")
    assert not claimed.is_refused
    assert claimed.number
    assert claimed.until_full_ms == 0
    await connection.close()


@pytest.mark.long
async def test_a_cluster_shares_the_players(redis_factory: Callable[..., RedisServer]) -> None:
    servers = make_cluster(redis_factory)
    settings = RedisSettings(url=servers[0].url.removesuffix("/0"), cluster=True, timeout_s=5)
    connection = RedisConnection(settings)
    one, other = RedisPlayerStore(connection, "one"), RedisPlayerStore(connection, "other")
    arrivals = [Arrival(f"player-{number}", 2, "s") for number in range(64)]
    first = (await ask(one, arrivals=arrivals, actions={arrival.player: 2 for arrival in arrivals})).admissions
    assert all(admission.number and admission.until_full_ms for admission in first)
    assert all(admission.is_refused for admission in (await ask(other, arrivals=arrivals)).admissions)
    claims = (await ask(other, held=[Holding(arrival.player, "s", 0, 5) for arrival in arrivals])).held
    lost = {loss.player: loss.number for loss in (await ask(one)).lost}
    assert lost == {arrival.player: number for arrival, number in zip(arrivals, claims, strict=True)}
    await one.close()
    assert not any(admission.is_refused for admission in (await ask(other, arrivals=arrivals)).admissions)
    await connection.close()


async def test_what_a_fleet_left_behind_expires(redis: RedisServer) -> None:
    connection = RedisConnection(RedisSettings(url=redis.url))
    store = RedisPlayerStore(connection, "one")
    claimed = await arrive(store, "ann", 1, "s")
    await arrive(RedisPlayerStore(connection, "other"), "ann", 1, "s")
    await ask(store, connections={"bob": 1}, held=[Holding("bob", "s", 0, 1)], actions={"ann": 3}, everywhere=False)
    assert claimed.number
    keys = [key async for key in connection.client.scan_iter()]
    assert len(keys) >= 6
    assert all([await connection.client.ttl(key) >= 0 for key in keys])
    await connection.close()


async def test_a_user_without_permission_is_a_refusal(redis_factory: Callable[..., RedisServer]) -> None:
    server = redis_factory("--user", "edge", "on", ">secret", "~*", "+@read")
    connection = RedisConnection(RedisSettings(url=f"redis://edge:secret@127.0.0.1:{server.port}/0"))
    with pytest.raises(StoreRefused):
        await ask(RedisPlayerStore(connection, "one"))
    await connection.close()
