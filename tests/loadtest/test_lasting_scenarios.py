"""The scenarios of Kafka's latency, slow clients and a season, at a tiny size with real servers."""

import pytest

from support.kafka_broker import KafkaBroker
from touchline_loadtest.machine import Cores
from touchline_loadtest.measuring import Bench
from touchline_loadtest.results import Result
from touchline_loadtest.scenarios import kafka_latency, season, slow_clients
from touchline_server.config.settings import Settings

BENCH = Bench(Cores(None, None))
SLOW = slow_clients.Sizes(clients=20, clients_slow=6, rate_hz=200, event_bytes=2000, seconds=2)
"""800 KB for a client: several times what it takes in, the kernel holds, and may wait in the server."""
SEASON = season.Sizes(clients=20, rooms=2, rate_hz=50, match_s=2, seconds=8)


def broken_demands(result: Result, *about: str) -> dict[str, float]:
    """What is asked of a result and not met, those rows left out that are ``about`` a machine's speed."""
    return {row.what: row.value for row in result.rows if row.met is False and row.what not in about}


async def test_kafka_s_latency_is_from_send_to_client(kafka: KafkaBroker) -> None:
    sizes = kafka_latency.Sizes(clients=5, rate_hz=50, seconds=1)
    result = await kafka_latency.run(BENCH._replace(kafka=kafka.address), sizes)
    assert broken_demands(result, "p50", "p99") == {}
    p50, p99, slowest = (result.row(what).value for what in ("p50", "p99", "slowest"))
    assert 0 < p50 <= p99 <= slowest
    assert "checked on 5 of 5 clients" in "\n".join(result.notes)


async def test_clients_that_stop_reading_miss_nothing() -> None:
    result = await slow_clients.run(BENCH, SLOW)
    assert broken_demands(result, "some stopped / all reading", "server's memory per stopped client") == {}
    # Three clients for latest, of 400 events each while they were stopped. That anything was left out shows that they
    # fell behind.
    assert 3 * 50 < result.row("deliver latest: events left out").value < 3 * 400
    assert 0 < result.row("time to catch up").value < 30


def assert_season_played(result: Result) -> None:
    assert broken_demands(result, "growth") == {}
    assert result.row("rooms").value >= 4
    joins, with_a_cursor, leaves = (result.row(what).value for what in ("joins", "joins with a cursor", "leaves"))
    assert joins == leaves > SEASON.clients
    assert 0 < with_a_cursor < joins
    assert result.row("leaves without a goodbye").value > 0
    assert result.row("events delivered").value > result.row("events published").value > SEASON.rate_hz
    assert 0 < result.row("memory in the second minute").value < 1000


async def test_a_season_is_played() -> None:
    result = await season.run(BENCH, SEASON)
    assert_season_played(result)
    assert "TOUCHLINE_WINDOW_S=4.1" in "\n".join(result.notes)


async def test_a_season_is_played_from_kafka(kafka: KafkaBroker) -> None:
    assert_season_played(await season.run(BENCH._replace(kafka=kafka.address), SEASON))


def test_what_a_season_squeezes_are_the_server_s_defaults() -> None:
    settings = Settings()
    assert settings.window_s == season.WINDOW_S
    assert settings.sqlite.retention_s == season.RETENTION_S
    assert float(season.squeezed()["TOUCHLINE_WINDOW_S"]) * 144 == pytest.approx(settings.window_s)
