"""The scenarios with several processes on the server's side, at a tiny size with real servers."""

from typing import Any

import pytest

from support.kafka_broker import KafkaBroker
from support.redis_server import demand_redis
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.scenarios.fleet import cold_edge, connections, workers

TINY = {
    workers: workers.Sizes(clients=20, rate_hz=20, seconds=1, runs=1),
    connections: connections.Sizes(clients=100, workers=2, stay_s=1),
    cold_edge: cold_edge.Sizes(rooms=20, keys=3, clients=10),
}
SPEED = {"two workers / one", "memory per connection", "time to ready", "first subscription, p99"}
"""Bounds that depend on the machine, or are not meant for these sizes."""


@pytest.mark.long
@pytest.mark.parametrize("scenario", TINY, ids=lambda module: module.NAME)
async def test_nobody_lacks_anything(scenario: Any, kafka: KafkaBroker) -> None:
    demand_redis()
    result = await scenario.run(Bench(Cores(None, None), kafka.address), TINY[scenario])
    assert {row.what: row.value for row in result.rows if row.met is False and row.what not in SPEED} == {}
