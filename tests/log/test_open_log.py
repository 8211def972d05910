"""`make_log`: the log that each form of address names."""

from pathlib import Path

import pytest

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import Entry
from touchline_server.log.kafka.log import KafkaLog
from touchline_server.log.open import make_log
from touchline_server.log.sqlite.log import SqliteLog


async def test_a_log_in_memory_has_the_topics_of_the_feeds() -> None:
    settings = Settings(log="sqlite://", feeds={"goal": FeedSettings(topic="goals")})
    log = make_log(settings)
    await log.open(["goals"], since_ms=0)
    assert await log.append("goals", [Entry(b"a", b"1")]) == [(0, 0)]
    await log.close()


@pytest.mark.parametrize("slashes", ["", "/", "//"])
async def test_the_path_follows_the_scheme(tmp_path: Path, slashes: str) -> None:
    path = tmp_path / "log.db"
    log = make_log(Settings(log="sqlite://"), url=f"sqlite://{slashes}{path}")
    await log.open([], since_ms=0)
    await log.close()
    assert path.exists()


async def test_a_path_without_a_leading_slash_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    log = make_log(Settings(log="sqlite://folder/log.db"))
    await log.open([], since_ms=0)
    await log.close()
    assert (tmp_path / "folder" / "log.db").exists()


def test_the_default_is_the_embedded_log() -> None:
    assert isinstance(make_log(Settings()), SqliteLog)


@pytest.mark.parametrize("url", ["kafka://localhost:9092", "kafka://a:9092,b:9093/", "kafka://[::1]:9092"])
def test_a_kafka_address_lists_brokers(url: str) -> None:
    assert isinstance(make_log(Settings(log="sqlite://"), url=url), KafkaLog)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:9092",
        "redis://localhost",
        "sqlite:/file.db",
        "sqlite:///",
        "sqlite:///folder/",
        "kafka://",
        "kafka://localhost",
        "kafka://localhost:port",
        "kafka://localhost:0",
        "kafka://localhost:99999",
        "kafka://a:9092,,b:9092",
        "kafka://user:password@localhost:9092",
    ],
)
def test_an_invalid_address_is_an_operator_error_in_one_line(url: str) -> None:
    with pytest.raises(OperatorError) as raised:
        make_log(Settings(log="sqlite://"), url=url)
    assert "\n" not in str(raised.value)
