"""The scenario of the tracking feed at a tiny size, with a real server and broker."""

from support.kafka_broker import KafkaBroker
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.scenarios import tracking


async def test_positions_reach_clients_that_read_and_clients_that_stop(kafka: KafkaBroker) -> None:
    bench = Bench(Cores(None, None), kafka=kafka.address)
    result = await tracking.run(bench, tracking.Sizes(clients=13, stalled=2, matches=2, seconds=0.6))
    assert result.row("p99").value > result.row("p50").value > 0
    assert result.row("deliveries/s").value > 0
    bounds = {row.what: row.value for row in result.rows if row.bound is not None and row.bound.sense == "="}
    assert len(bounds) == 4
    assert set(bounds.values()) == {0}, bounds
