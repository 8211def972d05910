"""A Redis Cluster that is stopped as a whole: edges, keepers and workers go on, and use it again once it is back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.processes import run
from e2e.worker_server import ROOM, worker_server
from edge.players import AUTH, player
from keeper.fleet import Fleet, complete, event, state_of
from support.kafka_broker import KafkaBroker
from support.node_fixture import RunningNode
from support.redis_kinds import make_small_cluster
from support.redis_server import RedisServer
from support.waiting import eventually
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.config.tables import ActionsSettings

Factory = Callable[..., RedisServer]


def cluster_of(server: RedisServer) -> RedisSettings:
    return RedisSettings(url=server.url, cluster=True, timeout_s=0.3)


def has_failed(node: RunningNode) -> bool:
    return node.edge.driver.failure.done()


@pytest.mark.long
async def test_an_edge_and_a_keeper_outlive_their_cluster(kafka: KafkaBroker, redis_factory: Factory) -> None:
    server = make_small_cluster(redis_factory)
    fleet = Fleet(kafka, server)
    presence, actions = f"presence-{fleet.topic}", f"actions-{fleet.topic}"
    fleet.settings |= {
        "redis": cluster_of(server),
        "presence": PresenceSettings(records=True, topic=presence),
        "actions": ActionsSettings(topic=actions),
    }
    for topic in (fleet.topic, presence, actions, fleet.settings["verdicts"].topic):
        await kafka.create(topic, 1)
    await fleet.produce(event("1", "goals", b"1"), event("2", "goals", b"1"))
    async with fleet.keeper() as keeper:
        await fleet.until_kept(keeper)
        async with fleet.edge(auth=AUTH) as edge, player(edge) as (loaded, _), player(edge) as (late, _):
            assert state_of(await complete(loaded, await loaded.join("score:1"))) == {"goals": 1}
            server.stop(kill=True)
            await edge.publish("score:1", 2, key="goals")
            assert (await loaded.events(1))[0].data == 2
            assert not (await late.join("score:2")).state_complete
            concerned = {"redis", "players", "presence", presence}
            await eventually(lambda: concerned <= edge.node.readiness().degraded.keys())
            outage = edge.node.readiness().degraded
            assert [subject for subject in outage if outage["redis"] in outage[subject]] == ["redis"]
            await eventually(lambda: "redis" in keeper.problems)
            assert not edge.node.readiness().problems
            server.start()
            assert state_of(await complete(late)) == {"goals": 1}
            fleet.ends[0] += 1
            await fleet.until_kept(keeper)
            await eventually(lambda: not edge.node.readiness().degraded)
            assert not has_failed(edge)


@pytest.mark.long
async def test_an_edge_and_a_keeper_start_without_their_cluster(kafka: KafkaBroker, redis_factory: Factory) -> None:
    server = make_small_cluster(redis_factory)
    server.stop(kill=True)
    fleet = Fleet(kafka, server)
    fleet.settings["redis"] = cluster_of(server)
    await kafka.create(fleet.topic, 1)
    await fleet.produce(event("1", "goals", b"1"))
    async with fleet.keeper() as keeper, fleet.edge() as edge, edge.client() as client:
        assert not (await client.join("score:1")).state_complete
        await eventually(lambda: "redis" in keeper.problems)
        server.start()
        assert state_of(await complete(client)) == {"goals": 1}
        assert not has_failed(edge)


@pytest.mark.long
async def test_workers_outlive_their_cluster(kafka: KafkaBroker, redis_factory: Factory, tmp_path: Path) -> None:
    cluster = make_small_cluster(redis_factory)
    env = {"TOUCHLINE_REDIS__URL": cluster.url, "TOUCHLINE_REDIS__CLUSTER": "true", "TOUCHLINE_REDIS__TIMEOUT_S": "0.3"}
    async with worker_server(kafka, tmp_path, **env) as server:
        before = server.pids()
        server.publish(1)

        def is_complete() -> bool:
            return bool(server.get(f"/v1/rooms/{ROOM}").json()["viewers_complete"])

        await eventually(is_complete)
        cluster.stop(kill=True)
        await eventually(lambda: not is_complete())
        assert server.readiness()[0] == 200
        cluster.start()
        await eventually(is_complete)
        assert not server.lines("worker_ended")
        assert server.pids() == before
        assert await server.stop() == 0


@pytest.mark.long
async def test_a_keeper_of_a_redis_that_is_not_a_cluster_is_refused(kafka: KafkaBroker, redis: RedisServer) -> None:
    env = {"TOUCHLINE_REDIS__URL": redis.url, "TOUCHLINE_REDIS__CLUSTER": "true", "TOUCHLINE_KEEPER__PORT": "0"}
    done = run("keeper", env=env | {"TOUCHLINE_LOG": f"kafka://{kafka.address}"})
    assert done.returncode == 2
    assert "redis.cluster" in done.stderr
    assert "Traceback" not in done.stderr
