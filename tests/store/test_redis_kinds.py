"""The same store with TLS, ACL users, Sentinels and a Cluster, with real servers, and what each refusal is called."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.crc import key_slot

from support.certificates import Authority
from support.redis_kinds import (
    Sentinel,
    add_replica,
    cli,
    make_cluster,
    make_small_cluster,
    move_slot,
    until,
)
from support.redis_server import RedisServer
from support.waiting import DEADLINE_S
from touchline_loadtest.free_ports import free_ports
from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings
from touchline_server.core.players.player_store import Exchange, Limits
from touchline_server.core.room_keeping import KeptEntry, KeptPartition, Moved, Progress, RoomChange
from touchline_server.core.room_store import BuiltWith, RoomKey, StoredRoom
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.players import RedisPlayerStore
from touchline_server.store.redis.room_keeping import RedisRoomKeeping
from touchline_server.store.redis.room_layout import Keys
from touchline_server.store.redis.rooms import RedisRooms
from touchline_server.store.redis.workers import Workers

PARTITIONS = 8
HOUR_MS = 3_600_000
START = Progress("b1", 0, 0, -1, -1, True, BuiltWith(None, 1, "k"))
Factory = Callable[..., RedisServer]


@contextlib.asynccontextmanager
async def connected(settings: RedisSettings) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(settings)
    try:
        yield connection
    finally:
        await connection.close()


def partitions() -> list[KeptPartition]:
    return [KeptPartition("match", "epoch", index) for index in range(PARTITIONS)]


async def keep_some(connection: RedisConnection, head: int = 4, follows: int = -1) -> None:
    """Write the room 1 of each partition."""
    keeping = RedisRoomKeeping(connection, HOUR_MS)
    await keeping.note_layout("match", "epoch", partitions=PARTITIONS, scattered=False)
    for partition in partitions():
        before = await keeping.begin(partition, START)
        written = before._replace(written=head + 1, term=3, term_start=0)
        entry = KeptEntry(head, 1000, b'"%d"' % head)
        change = RoomChange("1", follows, head, 1000, False, {"score": entry}, ())
        assert await keeping.write(partition, before, written, [change]) == []
        await keeping.advance(partition, written._replace(next_offset=head + 1))


async def heads(connection: RedisConnection, before: int = 5) -> list[int | None]:
    rooms = RedisRooms(connection)
    found = []
    for index in range(PARTITIONS):
        room = await rooms.load(RoomKey("match", "epoch", index, "1", PARTITIONS), before=before)
        assert isinstance(room, StoredRoom), room
        found.append(room.head)
    return found


async def eventually_works(work: Callable[[], "asyncio.Future[None] | object"]) -> None:
    """Try again while Redis fails over."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await work()  # type: ignore[misc]
            except (StoreUnavailable, Moved):
                await asyncio.sleep(0.2)
            else:
                return


@pytest.mark.long
async def test_tls_with_a_ca_and_a_client_certificate(redis_factory: Factory, tmp_path: Path) -> None:
    authority = Authority.at(tmp_path / "ca")
    pair = authority.issue(tmp_path / "pair", "redis")
    (port,) = free_ports(1)
    files = (
        *("--tls-ca-cert-file", str(authority.ca_file)),
        *("--tls-cert-file", str(pair.cert_file)),
        *("--tls-key-file", str(pair.key_file)),
    )
    redis_factory("--tls-port", str(port), *files, "--tls-auth-clients", "yes")
    tls = RedisSettings(
        url=f"rediss://127.0.0.1:{port}/0",
        ca_file=authority.ca_file,
        cert_file=pair.cert_file,
        key_file=pair.key_file,
    )
    async with connected(tls) as connection:
        await keep_some(connection)
        assert await heads(connection) == [4] * PARTITIONS
    for wrong in ({"cert_file": None, "key_file": None}, {"ca_file": None}):
        async with connected(tls.model_copy(update=wrong)) as connection:
            with pytest.raises((StoreUnavailable, StoreRefused)):
                await connection.call(connection.client.ping())


@pytest.mark.long
async def test_refusals_inside_of_scripts_are_refusals_too(redis_factory: Factory) -> None:
    server = redis_factory("--maxmemory", "1mb", "--maxmemory-policy", "noeviction")
    async with connected(RedisSettings(url=server.url)) as connection:
        with pytest.raises(StoreRefused, match="maxmemory"):
            await keep_some(connection)
    replica = redis_factory("--replicaof", f"127.0.0.1 {redis_factory().port}")
    async with connected(RedisSettings(url=replica.url)) as connection:
        with pytest.raises(StoreRefused, match="replica"):
            await keep_some(connection)


async def test_scripts_are_loaded_again_once_redis_has_forgotten_them(redis: RedisServer) -> None:
    async with connected(RedisSettings(url=redis.url)) as connection:
        await keep_some(connection)
        cli(redis.port, "script", "flush")
        await keep_some(connection, head=9, follows=4)
        cli(redis.port, "script", "flush")
        assert await heads(connection, before=10) == [9] * PARTITIONS


async def test_a_cancelled_call_gives_nobody_else_its_answer(redis: RedisServer) -> None:
    async with connected(RedisSettings(url=redis.url)) as connection:
        client = connection.client
        for number in range(50):
            await connection.call(client.set(f"touchline:{number}", number))
        calls = [asyncio.create_task(connection.call(client.get(f"touchline:{n}"))) for n in range(50)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [int(one) for one in answers if isinstance(one, bytes)] == [
            number for number, one in enumerate(answers) if isinstance(one, bytes)
        ]
        assert [await connection.call(client.get(f"touchline:{n}")) for n in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.long
async def test_a_failover_by_sentinel(redis_factory: Factory, tmp_path: Path) -> None:
    primary = redis_factory()
    replica = redis_factory("--replicaof", f"127.0.0.1 {primary.port}")
    until(lambda: "master_link_status:up" in cli(replica.port, "info", "replication"))
    sentinel = Sentinel(tmp_path / "sentinel", primary.port)
    try:
        # The first one is away: a failover has to work with the others.
        settings = RedisSettings(url="redis://mymaster/0", sentinels=["127.0.0.1:1", f"127.0.0.1:{sentinel.port}"])
        async with connected(settings) as connection:
            await keep_some(connection)
            cli(primary.port, "wait", "1", "1000")
            primary.stop(kill=True)
            with pytest.raises(StoreUnavailable):
                await keep_some(connection, head=9, follows=4)
            await eventually_works(lambda: keep_some(connection, head=9, follows=4))
            assert sentinel.primary() == replica.port
            assert await heads(connection, before=10) == [9] * PARTITIONS
            # The old primary comes back as a replica, and takes no writes.
            primary.start()
            until(lambda: "role:slave" in cli(primary.port, "info", "replication"))
            assert await heads(connection, before=10) == [9] * PARTITIONS
        cli(sentinel.port, "acl", "setuser", "default", "resetpass", ">hush")
        async with connected(settings.model_copy(update={"sentinel_password": "other"})) as connection:
            with pytest.raises(StoreRefused, match=r"redis\.sentinel_password"):
                await connection.call(connection.client.ping())
        async with connected(settings.model_copy(update={"sentinel_password": "hush"})) as connection:
            await connection.call(connection.client.ping())
    finally:
        sentinel.stop()
    nobody = RedisSettings(url="redis://unknown/0", sentinels=[f"127.0.0.1:{sentinel.port}"])
    async with connected(nobody) as connection:
        with pytest.raises(StoreUnavailable):
            await connection.call(connection.client.ping())


@pytest.mark.long
async def test_a_cluster_whose_slots_move(redis_factory: Factory) -> None:
    servers = make_cluster(redis_factory)
    settings = RedisSettings(url=servers[0].url.removesuffix("/0"), cluster=True)
    async with connected(settings) as connection:
        await keep_some(connection)
        assert await heads(connection) == [4] * PARTITIONS
        assert await Workers(connection, "one").beat() == []
        slots = {key_slot(Keys("touchline").progress(partition).encode()) for partition in partitions()}
        assert len(slots) == PARTITIONS
        for slot in sorted(slots)[:4]:
            await asyncio.to_thread(move_slot, servers, slot)
        await eventually_works(lambda: keep_some(connection, head=9, follows=4))
        assert await heads(connection, before=10) == [9] * PARTITIONS


@pytest.mark.long
async def test_a_cluster_whose_replica_takes_over(redis_factory: Factory) -> None:
    servers = make_cluster(redis_factory)
    replica = add_replica(redis_factory, servers[0])
    async with connected(RedisSettings(url=servers[1].url.removesuffix("/0"), cluster=True)) as connection:
        # Pipelines alone, as edges have them: no other command tells the client that a node is another one now.
        players = RedisPlayerStore(connection, "one")
        await players.exchange(Exchange(Limits(1, 100), everywhere=True))
        await keep_some(connection)
        cli(servers[0].port, "wait", "1", "1000")
        servers[0].stop(kill=True)
        until(lambda: "role:master" in cli(replica.port, "info", "replication"))
        await eventually_works(lambda: players.exchange(Exchange(Limits(1, 100), everywhere=True)))
        assert await heads(connection) == [4] * PARTITIONS


async def test_connections_that_redis_has_closed_are_replaced(redis: RedisServer) -> None:
    async with connected(RedisSettings(url=redis.url)) as connection:
        await all_connections_replaced(connection, redis)


@pytest.mark.long
async def test_connections_that_a_cluster_has_closed_are_replaced(redis_factory: Factory) -> None:
    server = make_small_cluster(redis_factory)
    async with connected(RedisSettings(url=server.url, cluster=True)) as connection:
        await all_connections_replaced(connection, server)


async def all_connections_replaced(connection: RedisConnection, server: RedisServer) -> None:
    async def ask() -> bool:
        pipeline = connection.pipeline()
        pipeline.hget("touchline:{a}", "b")
        return await pipeline.execute() == [None]

    async def ask_ten_times() -> list[bool]:
        return await asyncio.gather(*(connection.call_repeatable(ask) for _ in range(10)))

    assert all(await ask_ten_times())
    cli(server.port, "client", "kill", "type", "normal")  # the loop does not learn of it meanwhile
    assert all(await ask_ten_times())
    assert connection.problem is None
    assert await connection.call(ask())


def test_what_does_not_go_together_is_refused() -> None:
    for wrong in (
        {"url": "redis://host", "cluster": True, "sentinels": ["host:26379"]},
        {"url": "redis://host", "sentinels": ["host"]},
        {"url": "rediss://host", "cert_file": "cert.pem"},
        {"url": "redis://host", "ca_file": "ca.pem"},
        {"url": "http://host"},
    ):
        with pytest.raises(ValueError, match=r"redis|Sentinel|certificate"):
            RedisSettings.model_validate(wrong)
