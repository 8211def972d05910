"""Where a keeper would be of no use, it does not start."""

import pytest

from touchline_protocol.errors import OperatorError
from touchline_server.config.redis import RedisSettings
from touchline_server.config.settings import Settings
from touchline_server.keeper.keeper import Keeper


@pytest.mark.parametrize(
    ("log", "url", "names"),
    [("sqlite://", "redis://127.0.0.1", "embedded log"), ("kafka://127.0.0.1:9092", None, r"redis\.url")],
)
async def test_a_keeper_needs_kafka_and_redis(log: str, url: str | None, names: str) -> None:
    with pytest.raises(OperatorError, match=names):
        Keeper(Settings(log=log, redis=RedisSettings(url=url)))


async def test_keepers_of_one_prefix_share_a_group_unless_told_otherwise() -> None:
    redis = RedisSettings(url="redis://127.0.0.1", prefix="league")
    assert Keeper(Settings(log="kafka://127.0.0.1:9092", redis=redis)).group == "league-keeper"
