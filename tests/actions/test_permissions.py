"""A reader that may not read what it wants to: an operator's error at once, and never an endless retry."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from actions.players import QUICK, Players, players_of, take
from support.kafka_broker import LIMITED_USER, PASSWORD, KafkaBroker
from support.kafka_topics import GROUP
from support.waiting import DEADLINE_S, eventually
from touchline.actions import ActionSource, Security, read
from touchline.actions.kafka import KafkaActions
from touchline.errors import OperatorError
from touchline_kafka.cluster import Cluster
from touchline_kafka.follow.follower import Follower
from touchline_kafka.group import reader
from touchline_kafka.metadata.operations import Operation
from touchline_protocol.errors import LogUnavailable


def security_of(kafka: KafkaBroker) -> Security:
    return Security(
        tls=True,
        ca_file=str(kafka.ca_file),
        sasl_mechanism="PLAIN",
        sasl_username=LIMITED_USER,
        sasl_password=PASSWORD,
    )


def limited(players: Players) -> ActionSource:
    """A reader with the permissions of `LIMITED_USER`."""
    url, security = f"kafka://{players.broker.secure_address}", security_of(players.broker)
    return read(url, group=players.group, topic=players.topic, security=security, kafka_options=QUICK, commit_s=0.1)


async def refused(poll: Callable[[], Awaitable[object]]) -> OperatorError:
    """The error that ends the reading, after all that the broker had answered before."""

    async def keep_polling() -> None:
        while True:
            await poll()

    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(OperatorError) as raised:
            await keep_polling()
    return raised.value


@pytest.mark.parametrize(
    ("topic_operations", "group_operations"),
    [
        ((), (Operation.READ,)),
        ((Operation.DESCRIBE,), (Operation.READ,)),
        ((Operation.READ,), ()),
        ((Operation.READ,), (Operation.DESCRIBE,)),
    ],
    ids=["no topic", "a topic that it may only describe", "no group", "a group that it may only describe"],
)
async def test_a_reader_without_a_permission_is_refused_at_its_start(
    kafka: KafkaBroker, topic_operations: tuple[Operation, ...], group_operations: tuple[Operation, ...]
) -> None:
    players = await players_of(kafka)
    await kafka.allow(players.topic, *topic_operations)
    await kafka.allow(players.group, *group_operations, kind=GROUP)
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(OperatorError) as raised:
            await limited(players).__aenter__()
    assert not isinstance(raised.value, LogUnavailable)
    assert players.topic in str(raised.value)


@pytest.mark.parametrize("kind", ["topic", "group"])
async def test_a_reader_that_loses_a_permission_is_refused(kafka: KafkaBroker, kind: str) -> None:
    players = await players_of(kafka)
    await kafka.allow(players.topic, Operation.READ)
    await kafka.allow(players.group, Operation.READ, kind=GROUP)
    async with limited(players) as actions:
        await players.act("ann", 1)
        await take(actions, 1)
        if kind == "topic":
            await kafka.forbid(players.topic, Operation.READ)
        else:
            await kafka.forbid(players.group, Operation.READ, kind=GROUP)
        await players.act("ann", 2)
        error = await refused(actions.batch)
        assert players.group in str(error)
    assert not isinstance(error, LogUnavailable)


async def test_a_reader_whose_partitions_are_gone_with_its_permission_is_refused(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If its metadata is read before the next records, it has no partitions any more, and no fetch that could fail."""
    monkeypatch.setattr(reader, "TOPIC_CHECK_S", 0.1)
    players = await players_of(kafka)
    await kafka.allow(players.topic, Operation.READ)
    await kafka.allow(players.group, Operation.READ, kind=GROUP)
    async with limited(players) as actions:
        await players.act("ann", 1)
        await take(actions, 1)
        actions.processed()
        await kafka.forbid(players.topic, Operation.READ)
        assert isinstance(actions, KafkaActions)
        member = actions._member
        assert member is not None
        await member.consumer.client.force_metadata_update()
        await eventually(lambda: not member.consumer.assignment())
        assert players.topic in str(await refused(actions.batch))


async def test_a_follower_without_a_permission_is_refused(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    await kafka.allow(players.topic, Operation.DESCRIBE)
    await players.act("ann", 1)
    cluster = Cluster([kafka.secure_address], security_of(kafka))
    async with Follower(cluster, [players.topic], since_ms=None) as follower:
        assert not isinstance(await refused(follower.poll), LogUnavailable)
