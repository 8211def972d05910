"""Users of Redis's ACL with the rules of docs/fleet.md: they can do all that edges and keepers do, and no more."""

import re
import shlex
from collections.abc import Callable, Iterator

import pytest

from store.test_redis_kinds import PARTITIONS, connected, heads, keep_some
from support.acl_users import EDGE, KEEPER, PAGE, denials, set_user
from support.redis_kinds import cli, make_cluster
from support.redis_server import RedisServer
from touchline_protocol.errors import StoreRefused
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.core.players.player_store import Arrival, Exchange, Limits
from touchline_server.core.presence.port import InRoom, Report
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.eviction import EvictionWatch
from touchline_server.store.redis.players import RedisPlayerStore
from touchline_server.store.redis.presence import RedisOutbox, RedisPresenceStore
from touchline_server.store.redis.workers import Workers

Factory = Callable[..., RedisServer]
PRESENCE = PresenceSettings(records=True)
REPORT = Report(True, {"match:1": 1}, {InRoom("match:1", "ann"): 1}, frozenset({"match:1"}), frozenset({"match:1"}))


@pytest.fixture
def server(redis: RedisServer) -> Iterator[RedisServer]:
    cli(redis.port, "acl", "log", "reset")
    yield redis
    cli(redis.port, "acl", "deluser", EDGE, KEEPER)


async def work_of_a_keeper(connection: RedisConnection) -> None:
    await keep_some(connection)
    await connection.call(connection.client.ping())
    await connection.call(connection.info("memory"))


async def work_of_an_edge(connection: RedisConnection) -> None:
    assert await heads(connection) == [4] * PARTITIONS
    workers = Workers(connection, "one")
    presence = RedisPresenceStore(connection, workers, PRESENCE)
    assert (await presence.exchange(REPORT)).viewers == {"match:1": 1}
    assert (await presence.viewers(["match:1"])).viewers == {"match:1": 1}
    outbox = RedisOutbox(connection, "one", PRESENCE)
    taken = await outbox.take()
    assert taken.waiting
    await outbox.leave(taken.waiting)
    players = RedisPlayerStore(connection, "one")
    exchange = Exchange(Limits(1, 100), [Arrival("ann", 1, "session")], actions={"ann": 1}, everywhere=True)
    assert not (await players.exchange(exchange)).admissions[0].is_refused
    await players.close()
    await workers.forget("one")
    eviction = EvictionWatch(connection)
    await eviction.look()
    assert eviction.problem is None


async def test_edges_and_keepers_need_what_the_page_says(server: RedisServer) -> None:
    cli(server.port, "script", "flush")
    async with connected(RedisSettings(url=set_user(server, KEEPER))) as keeper:
        await work_of_a_keeper(keeper)
    async with connected(RedisSettings(url=set_user(server, EDGE))) as edge:
        await work_of_an_edge(edge)
        assert denials(server) == ""
        with pytest.raises(StoreRefused, match=r"docs/fleet\.md"):
            await edge.call(edge.client.flushall())


@pytest.mark.long
async def test_edges_and_keepers_need_what_the_page_says_of_a_cluster(redis_factory: Factory) -> None:
    servers = make_cluster(redis_factory)
    urls = [(set_user(one, KEEPER, cluster=True), set_user(one, EDGE, cluster=True)) for one in servers]
    async with connected(RedisSettings(url=urls[0][0], cluster=True)) as keeper:
        await work_of_a_keeper(keeper)
    async with connected(RedisSettings(url=urls[0][1], cluster=True)) as edge:
        await work_of_an_edge(edge)
    assert [denials(one) for one in servers] == [""] * len(servers)


async def test_a_user_that_lacks_keys_or_commands_is_told_what_to_do(server: RedisServer) -> None:
    for rules in (["~other:*", "+@all"], ["~*", "+@all", "-hget", "-zadd", "-hset", "-hmget"]):
        cli(server.port, "acl", "setuser", EDGE, "reset", "on", ">secret", *rules)
        async with connected(RedisSettings(url=server.url.replace("://", f"://{EDGE}:secret@"))) as connection:
            for refused in (
                Workers(connection, "one").beat(),
                RedisPlayerStore(connection, "one").exchange(Exchange(Limits(1, 100), everywhere=True)),
                RedisPresenceStore(connection, Workers(connection, "one"), PRESENCE).viewers(["match:1"]),
                RedisOutbox(connection, "one", PRESENCE).take(),
                keep_some(connection),
            ):
                with pytest.raises(StoreRefused, match=r"docs/fleet\.md"):
                    await refused


async def test_a_wrong_password_is_said(server: RedisServer) -> None:
    url = set_user(server, EDGE).replace("secret", "wrong")
    async with connected(RedisSettings(url=url)) as connection:
        with pytest.raises(StoreRefused, match=r"redis\.url"):
            await connection.call(connection.client.ping())


async def test_the_command_on_the_page_makes_the_user_of_edges(server: RedisServer) -> None:
    (shown,) = re.findall(r"```sh\nredis-cli (ACL SETUSER .*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert cli(server.port, *shlex.split(shown.replace("\\\n", ""))).strip() == "OK"
    made = rules_of(server)
    set_user(server, EDGE)
    assert rules_of(server) == made


def rules_of(server: RedisServer) -> list[str]:
    """What the user of edges may do. A user that was reset before has a flag more, which says nothing of that."""
    return [line for line in cli(server.port, "acl", "getuser", EDGE).splitlines() if line != "sanitize-payload"]
