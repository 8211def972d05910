"""The scenarios that take longest: Kafka latency, slow clients and a season, at a tiny size with real servers."""

import pytest

from support.kafka_broker import KafkaBroker
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.results import Result
from touchline_loadtest.scenarios import kafka_latency, season, slow_clients
from touchline_server.config.settings import Settings

BENCH = Bench(Cores(None, None))
SLOW = slow_clients.Sizes(clients=20, clients_slow=6, rate_hz=200, event_bytes=2000, seconds=2)
"""800 KB for each client: several times what the client, the kernel and the server may buffer."""
SEASON = season.Sizes(clients=20, rooms=2, rate_hz=50, match_s=2, seconds=8)


def unmet_bounds(result: Result, *except_for: str) -> dict[str, float]:
    """The numbers whose bounds do not hold, ``except_for`` those that depend on the machine's speed."""
    return {row.what: row.value for row in result.rows if row.met is False and row.what not in except_for}


@pytest.mark.long
async def test_kafka_latency_is_from_send_to_client(kafka: KafkaBroker) -> None:
    sizes = kafka_latency.Sizes(clients=5, rate_hz=50, seconds=1)
    result = await kafka_latency.run(BENCH._replace(kafka=kafka.address), sizes)
    assert unmet_bounds(result, "p50", "p99") == {}
    p50, p99, slowest = (result.row(what).value for what in ("p50", "p99", "slowest"))
    assert 0 < p50 <= p99 <= slowest


@pytest.mark.long
async def test_clients_that_stop_reading_miss_nothing() -> None:
    result = await slow_clients.run(BENCH, SLOW)
    assert unmet_bounds(result, "some stopped / all reading", "server's memory per stopped client") == {}
    # Three clients ask for latest, and 400 events are published while they are stopped. That events were left out shows
    # that the clients fell behind.
    assert 3 * 50 < result.row("deliver latest: events left out").value < 3 * 400
    assert 0 < result.row("time to catch up").value < 30


def assert_season_played(result: Result) -> None:
    assert unmet_bounds(result, "growth") == {}
    assert result.row("rooms").value >= 4
    joins, with_a_cursor, leaves = (result.row(what).value for what in ("joins", "joins with a cursor", "leaves"))
    assert joins == leaves > SEASON.clients
    assert 0 < with_a_cursor < joins
    assert result.row("leaves without a close frame").value > 0
    assert result.row("events delivered").value > result.row("events published").value > SEASON.rate_hz
    assert 0 < result.row("memory in the second minute").value < 1000


@pytest.mark.long
async def test_a_season_is_played_from_sqlite() -> None:
    assert_season_played(await season.run(BENCH, SEASON))


@pytest.mark.long
async def test_a_season_is_played_from_kafka(kafka: KafkaBroker) -> None:
    assert_season_played(await season.run(BENCH._replace(kafka=kafka.address), SEASON))


def test_a_season_compresses_the_server_s_defaults() -> None:
    settings = Settings()
    assert settings.window_s == season.WINDOW_S
    assert settings.sqlite.retention_s == season.RETENTION_S
    assert float(season.compressed()["TOUCHLINE_WINDOW_S"]) * 144 == pytest.approx(settings.window_s)
