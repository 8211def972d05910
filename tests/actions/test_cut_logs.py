"""Logs that were cut back and grew again: the reader goes back to where they depart from what it read."""

import asyncio
import logging
import shutil

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from actions.players import Players, ids, players_of, take
from support.kafka_broker import KafkaBroker
from support.log_cut import cut_back
from support.waiting import DEADLINE_S
from touchline.actions import ActionSource


def has_warned_of(caplog: pytest.LogCaptureFixture, *numbers: int) -> bool:
    """Whether one of the reader's warnings has all of these numbers in its text."""
    texts = [one.getMessage() for one in caplog.records if one.name == "touchline.kafka"]
    return any(all(f" {number} " in text for number in numbers) for text in texts)


async def until_committed(players: Players, offset: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await players.committed() != offset:
            pass


async def read_all(actions: ActionSource, count: int) -> list[int]:
    taken = ids(await take(actions, count))
    actions.processed()
    return taken


@pytest.fixture
async def players(kafka_to_restart: KafkaBroker) -> Players:
    return await players_of(kafka_to_restart)


async def test_a_reader_goes_back_if_the_log_was_cut_back_and_grew_past_it(
    players: Players, caplog: pytest.LogCaptureFixture
) -> None:
    async with players.read(commit_s=0.05) as actions:
        await players.act("ann", *range(1, 31))
        await players.act("ann", *range(31, 41))
        assert await read_all(actions, 40) == list(range(1, 41))
        await until_committed(players, 40)
        # Actions 31 to 40 are lost. Then 35 is sent again, and others come.
        again = [35, *range(41, 61)]
        async with cut_back(players.broker, players.topic, 30):
            await players.act("ann", *again)
        await players.act("ann", 20, 61)  # 20 is still in the log, so it is a duplicate
        assert await read_all(actions, 22) == [*again, 61]
        assert actions.duplicates == 1
        await until_committed(players, 53)
    assert has_warned_of(caplog, 30, 40)


async def test_a_reader_that_was_away_goes_back(players: Players, caplog: pytest.LogCaptureFixture) -> None:
    async with players.read() as actions:
        await players.act("ann", *range(1, 21))
        await players.act("ann", *range(21, 41))
        await read_all(actions, 40)
    async with cut_back(players.broker, players.topic, 20):
        await players.act("ann", *range(41, 81))
    async with players.read() as actions:
        await players.act("ann", 20, 81)
        assert await read_all(actions, 41) == list(range(41, 82))
    assert has_warned_of(caplog, 20, 40)


async def test_a_reader_goes_back_if_the_log_is_shorter_than_what_it_read(
    players: Players, caplog: pytest.LogCaptureFixture
) -> None:
    async with players.read() as actions:
        await players.act("ann", *range(1, 7))
        await players.act("ann", *range(7, 11))
        await read_all(actions, 10)
        async with cut_back(players.broker, players.topic, 6):
            pass
        await players.act("ann", 11)
        assert await read_all(actions, 1) == [11]
    assert has_warned_of(caplog, 6, 10)


async def test_a_reader_of_a_broker_that_is_restored_from_a_copy_hands_out_what_the_copy_lacked(
    players: Players,
) -> None:
    broker = players.broker
    copy = broker.folder.with_name("copy")
    async with players.read(commit_s=0.05) as actions:
        await players.act("ann", *range(1, 21))
        await read_all(actions, 20)
        await until_committed(players, 20)
        await asyncio.to_thread(broker.stop)
        shutil.copytree(broker.folder, copy)
        broker.launch()
        await asyncio.to_thread(broker.wait_started)
        await players.act("ann", *range(21, 41))
        await read_all(actions, 20)
        await until_committed(players, 40)
        await asyncio.to_thread(broker.stop)
        shutil.rmtree(broker.folder)
        shutil.copytree(copy, broker.folder)
        broker.launch()
        await asyncio.to_thread(broker.wait_started)
        await players.act("ann", *range(41, 91))
        assert await read_all(actions, 50) == list(range(41, 91))


@pytest.mark.parametrize("metadata", ["", "of another program", '{"topic_id": 7}', "[" * 4000])
async def test_offsets_that_other_programs_committed_count(kafka: KafkaBroker, metadata: str) -> None:
    players = await players_of(kafka)
    await players.act("ann", 1, 2, 3)
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.address, group_id=players.group, enable_auto_commit=False
    ) as other:
        other.assign([TopicPartition(players.topic, 0)])
        await other.commit({TopicPartition(players.topic, 0): (2, metadata)})
    async with players.read() as actions:
        assert ids(await take(actions, 1)) == [3]


async def test_nothing_is_read_again_after_an_ordinary_restart_of_the_broker(
    players: Players, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "touchline.kafka")
    async with players.read(commit_s=0.05) as actions:
        await players.act("ann", 1, 2)
        await read_all(actions, 2)
        await asyncio.to_thread(players.broker.stop, kill=True)
        players.broker.launch()
        await asyncio.to_thread(players.broker.wait_started)
        await players.act("ann", 2, 3)
        assert await read_all(actions, 1) == [3]
        await until_committed(players, 4)
    async with players.read() as actions:
        await players.act("ann", 4)
        assert await read_all(actions, 1) == [4]
    assert not has_warned_of(caplog, 2)
