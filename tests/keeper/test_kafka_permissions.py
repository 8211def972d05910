"""A keeper whose Kafka user may not do everything, and topics that do not exist: what it says, and that it goes on."""

import asyncio
import logging
from typing import Any

import pytest

from keeper.fleet import Fleet, event
from support.kafka_broker import LIMITED_USER, PASSWORD, KafkaBroker
from support.kafka_topics import GROUP
from support.redis_server import RedisServer
from support.waiting import eventually
from touchline_kafka.metadata.operations import Operation
from touchline_kafka.topics import HIDDEN, OBSTACLES, UNREADABLE
from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.config.tables import FeedSettings, KafkaSettings
from touchline_server.keeper.keeper import Keeper


class LimitedFleet(Fleet):
    """Its keepers use `LIMITED_USER`."""

    def __init__(self, kafka: KafkaBroker, redis: RedisServer) -> None:
        super().__init__(kafka, redis)
        self.group = f"{self.settings['redis'].prefix}-keeper"
        self.missing = f"missing-{self.topic}"
        self.settings["feeds"]["later"] = FeedSettings(topic=self.missing)
        self.settings["log"] = f"kafka://{kafka.secure_address}"
        self.settings["kafka"] = KafkaSettings(
            tls=True,
            ca_file=str(kafka.ca_file),
            sasl_mechanism="PLAIN",
            sasl_username=LIMITED_USER,
            sasl_password=PASSWORD,
        )


@pytest.fixture
def fleet(kafka: KafkaBroker, redis: RedisServer) -> LimitedFleet:
    return LimitedFleet(kafka, redis)


def logged(caplog: pytest.LogCaptureFixture) -> list[Any]:
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [(line["subject"], line["why"]) for line in lines if line["event"] == "problem_began"]


@pytest.mark.long
async def test_a_keeper_names_what_it_may_not_read_and_keeps_it_once_it_may(
    fleet: LimitedFleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    kafka, topic = fleet.kafka, fleet.topic
    await kafka.create(topic, 1)
    await kafka.allow(fleet.group, Operation.READ, kind=GROUP)
    await fleet.produce(event("1", "goals", b"1"))
    async with fleet.keeper() as keeper:
        await eventually(lambda: keeper.problems.get(topic) == HIDDEN)
        await eventually(lambda: (topic, HIDDEN) in logged(caplog))
        await kafka.allow(topic, Operation.DESCRIBE)
        await eventually(lambda: keeper.problems.get(topic) == UNREADABLE)
        assert fleet.missing in keeper.problems
        await kafka.allow(topic, Operation.READ)
        await kafka.allow(fleet.missing, Operation.READ)
        await fleet.until_kept(keeper)
        assert keeper.problems == {fleet.missing: OBSTACLES[3]}
        await eventually(lambda: (fleet.missing, OBSTACLES[3]) in logged(caplog))
        await kafka.create(fleet.missing, 1)
        await eventually(lambda: not keeper.problems and len(keeper.kept) == 2)


@pytest.mark.long
async def test_a_keeper_that_may_not_use_its_group_ends_with_an_error(fleet: LimitedFleet) -> None:
    await fleet.kafka.create(fleet.topic, 1)
    await fleet.kafka.allow(fleet.topic, Operation.READ)
    keeper = Keeper(Settings(**fleet.settings))
    try:
        await keeper.start()
        with pytest.raises(OperatorError, match="group"):
            await keeper.run(asyncio.Event())
    finally:
        await keeper.close()
