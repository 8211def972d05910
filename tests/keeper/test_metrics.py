"""Metrics of a keeper and of an edge that share a Redis, as a scraper reads them."""

import httpx
import pytest

from e2e.test_metrics import Values, scraped, total, value, values_in
from keeper.fleet import Fleet, event, join
from support.kafka_broker import KafkaBroker
from support.redis_server import RedisServer
from support.waiting import eventually
from touchline_server.config.keeper import KeeperSettings
from touchline_server.config.settings import Settings
from touchline_server.keeper.health import health_server
from touchline_server.keeper.keeper import Keeper
from touchline_server.metrics.keeper_table import ALL_KEEPER_METRICS


@pytest.fixture
def fleet(kafka: KafkaBroker, redis: RedisServer) -> Fleet:
    return Fleet(kafka, redis)


async def scraped_keeper(keeper: Keeper, settings: Settings, key: str) -> Values:
    server = health_server(keeper, settings)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
            assert (await http.get("/metrics")).status_code == 401
            response = await http.get("/metrics", headers={"Authorization": f"Bearer {key}"})
            assert response.status_code == 200
            return values_in(response.text)
    finally:
        await server.stop()


async def test_a_keeper_and_an_edge_show_what_they_read_and_how_redis_answers(fleet: Fleet) -> None:
    await fleet.kafka.create(fleet.topic, 2)
    await fleet.produce(event("1", "a", b"1"), event("1", "b", b"2"), event("2", "a", b"3"))
    settings = Settings(metrics_keys=["scrape"], keeper=KeeperSettings(port=0), **fleet.settings)
    async with fleet.keeper() as keeper, fleet.edge() as edge:
        await fleet.until_kept(keeper)
        await keeper._measure_lag()
        kept = await scraped_keeper(keeper, settings, "scrape")
        await join(edge, "score:1")
        await eventually(lambda: edge.node.core.counters.reads.room_loads["found"] == 1)
        served = await scraped(edge)
    shown = {name for name, _ in kept}
    without_traffic = {"touchline_problem"}
    assert {
        one.name for one in ALL_KEEPER_METRICS if not any(name.startswith(one.name) for name in shown)
    } <= without_traffic
    assert total(kept, "touchline_keeper_records_read_total", topic=fleet.topic) == 3
    assert total(kept, "touchline_keeper_lag_records") == 0
    assert value(kept, "touchline_keeper_writes_total", outcome="ok") > 0
    assert value(kept, "touchline_redis_up") == value(served, "touchline_redis_up") == 1
    assert value(served, "touchline_redis_calls_total", outcome="ok") > 0
    assert value(served, "touchline_room_loads_total", outcome="found") == 1
    assert total(served, "touchline_log_lag_records", topic=fleet.topic) == 0
    assert total(served, "touchline_log_answer_age_seconds", topic=fleet.topic) < 60
