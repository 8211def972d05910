"""An edge and a keeper with Redis's ACL as docs/fleet.md describes it: Redis denies them nothing."""

from collections.abc import Iterator

import pytest

from edge.players import AUTH, acks, act, answers, player
from keeper.fleet import Fleet, event, state_of
from support.acl_users import EDGE, KEEPER, denials, set_user
from support.kafka_broker import KafkaBroker
from support.redis_kinds import cli
from support.redis_server import RedisServer
from support.waiting import eventually
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.config.tables import ActionsSettings


@pytest.fixture
def server(redis: RedisServer) -> Iterator[RedisServer]:
    cli(redis.port, "acl", "log", "reset")
    yield redis
    cli(redis.port, "acl", "deluser", EDGE, KEEPER)


@pytest.mark.long
async def test_redis_denies_nothing_to_the_documented_users(kafka: KafkaBroker, server: RedisServer) -> None:
    fleet = Fleet(kafka, server)
    prefix = fleet.settings["redis"].prefix
    keeper_url, edge_url = (set_user(server, user, keys=f"~{prefix}:*") for user in (KEEPER, EDGE))
    presence = PresenceSettings(records=True, topic=f"presence-{prefix}")
    actions = ActionsSettings(topic=f"actions-{prefix}")
    for topic in (fleet.topic, presence.topic, actions.topic, fleet.settings["verdicts"].topic):
        await kafka.create(topic, 1)
    fleet.settings |= {"presence": presence, "actions": actions}
    await fleet.produce(event("1", "goals", b"1"))
    async with fleet.keeper(redis=RedisSettings(url=keeper_url, prefix=prefix)) as keeper:
        await fleet.until_kept(keeper)
        async with fleet.edge(redis=RedisSettings(url=edge_url, prefix=prefix), auth=AUTH) as edge:
            async with player(edge) as (client, _):
                joined = await client.join("score:1")
                assert (state_of(joined), joined.state_complete) == ({"goals": 1}, True)
                await act(client, 1)
                assert await answers(client, 1) == acks([1])
                await eventually(
                    lambda: kafka.segment(presence.topic).stat().st_size > 0
                )  # written, so the outbox works
            assert not edge.node.readiness().degraded
        assert not keeper.problems
    assert denials(server) == ""
