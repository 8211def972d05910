"""One reader on a real Kafka: what it hands out, what it commits, and where it continues."""

import asyncio
import logging
import time

import pytest

from actions.players import ids, now_ms, players_of, take
from actions.records import Written, action_record, written
from support.kafka_broker import KafkaBroker
from support.record_batches import RawRecord, append_batch, append_nonsense, batch
from support.waiting import DEADLINE_S, eventually
from touchline.actions import LOOK_BACK_S
from touchline.errors import OperatorError
from touchline_kafka.group import reader


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the reader warned of."""
    return [record for record in caplog.records if record.name == "touchline.kafka"]


async def test_actions_come_one_by_one_and_in_batches(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    async with players.read() as actions:
        await players.act("ann", 1, 2, 3, 4, 5, data={"x": 1})
        async for action in actions:
            assert (action.player, action.kind, action.data, action.id) == ("ann", "tap", {"x": 1}, 1)
            assert (action.partition, action.offset) == (0, 0)
            break
        assert ids(await take(actions, 4)) == [2, 3, 4, 5]


async def test_a_duplicate_is_left_out_wherever_it_stands(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    async with players.read() as actions:
        await players.act("ann", 1, 2, 1, 2, 3, 2, edge="e1")
        await players.act("bob", 1, 3)
        await players.act("ann", 3, 4, edge="e2")
        taken = await take(actions, 6)
    assert [(one.player, one.id) for one in taken] == [
        *(("ann", n) for n in (1, 2, 3)),
        ("bob", 1),
        ("bob", 3),
        ("ann", 4),
    ]
    assert (actions.duplicates, actions.skipped) == (4, 0)


async def test_a_record_without_an_action_is_counted_logged_and_skipped(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    players = await players_of(kafka)
    async with players.read() as actions:
        good = written(0, action_record("ann", 1, received_ms=now_ms()))
        await players.write([Written(0, 0, b"ann", b"{"), Written(0, 0, b"ann", None), good._replace(key=b"bob"), good])
        assert ids(await take(actions, 1)) == [1]
        assert actions.skipped == 3
    (warning,) = warnings_of(caplog)
    assert isinstance(warning.args, tuple)
    assert warning.args[:4] == (players.topic, 0, 0, 1)


async def test_a_record_that_nobody_can_decode_is_skipped_and_an_odd_header_is_not(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    players = await players_of(kafka)
    for number in (1, 2):
        action = written(0, action_record("ann", number, received_ms=now_ms()))
        odd = RawRecord(action.key, action.value, [(b"\xe9", b"from C")], action.timestamp)
        await append_batch(kafka.address, players.topic, batch([odd]))
        await append_nonsense(kafka, players.topic)
    async with players.read(start="beginning") as actions:
        await players.act("ann", 3)
        assert ids(await take(actions, 3)) == [1, 2, 3]
        assert actions.skipped == 2
    assert players.topic in caplog.text


async def test_more_sessions_than_can_be_remembered_are_reported(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    players = await players_of(kafka)
    async with players.read(commit_s=0.02, sessions_max=2) as actions:
        for session in ("one", "two", "three"):
            await players.act("ann", 1, session=session)
        await take(actions, 3)
        await eventually(lambda: [one.args for one in warnings_of(caplog)] == [(players.topic,)])


async def test_nothing_is_committed_that_was_not_asked_beyond(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    await players.act("ann", 1, 2, 3)
    async with players.read(start="beginning", commit_s=0.02) as actions:
        assert [(await anext(aiter(actions))).id, (await anext(aiter(actions))).id] == [1, 2]
        committed = [await players.committed()]
        async with asyncio.timeout(DEADLINE_S):
            while committed[-1] != 1:
                committed.append(await players.committed())
        assert set(committed) <= {0, 1}
    assert await players.committed() == 1
    async with players.read() as actions:
        assert ids(await take(actions, 2)) == [2, 3]
        actions.processed()
    assert await players.committed() == 3


async def test_waiting_for_the_next_commits_the_one_before(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    await players.act("ann", 1)
    async with players.read(start="beginning", commit_s=0.02) as actions:
        await take(actions, 1)
        waiting = asyncio.ensure_future(actions.batch())
        async with asyncio.timeout(DEADLINE_S):
            while await players.committed() != 1:
                pass
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await players.act("ann", 2)
        assert ids(await take(actions, 1)) == [2]


async def test_a_duplicate_is_recognised_after_a_restart(kafka: KafkaBroker) -> None:
    players = await players_of(kafka, 2)
    async with players.read() as actions:
        await players.act("ann", 1, 2, partition=0)
        assert ids(await take(actions, 2)) == [1, 2]
        actions.processed()
    await players.act("ann", 2, 3, partition=0)
    await players.act("bob", 1, partition=1)
    async with players.read() as actions:
        assert sorted((one.player, one.id) for one in await take(actions, 2)) == [("ann", 3), ("bob", 1)]
        assert actions.duplicates == 1
        actions.processed()
    await players.act("ann", 1, 2, 3, 4, partition=0)
    async with players.read() as actions:
        assert ids(await take(actions, 1)) == [4]


async def test_it_reads_back_as_far_as_duplicates_can_be_apart(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    newest_ms = now_ms()
    look_back_ms = LOOK_BACK_S * 1000
    await players.act("ann", 1, received_ms=newest_ms - look_back_ms - 1)
    await players.act("bob", 1, received_ms=newest_ms - look_back_ms)
    await players.act("eve", 1, received_ms=newest_ms)
    async with players.read(start="beginning") as actions:
        await take(actions, 3)
        actions.processed()
    for player in ("ann", "bob", "eve"):
        await players.act(player, 1, received_ms=newest_ms)
    async with players.read() as actions:
        assert [one.player for one in await take(actions, 1)] == ["ann"]


@pytest.mark.parametrize("ahead_ms", [3_600_000, -3_600_000])
async def test_it_reads_back_over_the_times_of_edges_whose_clocks_differ(kafka: KafkaBroker, ahead_ms: int) -> None:
    players = await players_of(kafka)
    at_ms = now_ms() - 600_000
    await players.act("ann", 1, received_ms=at_ms, edge="edge-1")
    await players.act("bob", 1, 2, received_ms=at_ms + ahead_ms, edge="edge-2")  # it has just started
    async with players.read(start="beginning") as actions:
        await take(actions, 3)
        actions.processed()
    await players.act("ann", 1, 2, received_ms=at_ms + ahead_ms + 1_000, edge="edge-2")
    async with players.read() as actions:
        assert [(one.player, one.id) for one in await take(actions, 1)] == [("ann", 2)]


async def test_a_new_group_begins_at_the_end_and_keeps_its_place(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    await players.act("ann", 1)
    async with players.read():
        pass
    await players.act("ann", 2)
    async with players.read(start="beginning") as actions:
        assert ids(await take(actions, 1)) == [2]


async def test_a_new_group_can_begin_at_the_beginning(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    await players.act("ann", 1)
    async with players.read(start="beginning") as actions:
        assert ids(await take(actions, 1)) == [1]


async def test_added_partitions_are_read_from_their_beginning(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    async with players.read() as actions:
        await kafka.add_partitions(players.topic, 3)
        await players.act("ann", 1, partition=2)
        await players.act("bob", 1, partition=0)
        assert sorted(one.player for one in await take(actions, 2)) == ["ann", "bob"]


async def test_what_retention_deleted_is_reported_and_reading_continues(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    players = await players_of(kafka)
    async with players.read():
        pass
    await players.act("ann", 1, 2, 3)
    await kafka.trim(players.topic, 0, 2)
    async with players.read() as actions:
        assert ids(await take(actions, 1)) == [3]
    assert " 2 records " in caplog.text


async def test_a_topic_that_is_created_again_while_it_is_read_is_read_from_its_beginning(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    players = await players_of(kafka)
    async with players.read() as actions:
        await players.act("ann", 1, 2, 3)
        await take(actions, 3)
        actions.processed()
        await kafka.delete(players.topic)
        await kafka.create(players.topic)
        await players.act("ann", 4)
        assert ids(await take(actions, 1)) == [4]
    assert any(isinstance(one.args, tuple) and one.args[:2] == (players.topic, 0) for one in warnings_of(caplog))


async def test_a_deleted_topic_ends_the_reading(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader, "TOPIC_CHECK_S", 0.2)
    caplog.set_level(logging.CRITICAL, "aiokafka")  # it logs thousands of lines a second
    players = await players_of(kafka)
    async with players.read(commit_s=0.1) as actions:
        await kafka.delete(players.topic)
        with pytest.raises(OperatorError, match=players.topic):
            await take(actions, 1)


async def test_reading_continues_after_a_restart_of_the_broker_and_ends_without_one(
    kafka_to_restart: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kafka_to_restart
    players = await players_of(broker, 2)
    async with players.read(commit_s=0.1) as actions:
        await players.act("ann", 1, 2, partition=0)
        assert ids(await take(actions, 2)) == [1, 2]
        await asyncio.to_thread(broker.stop, kill=True)
        broker.launch()
        waiting = asyncio.ensure_future(take(actions, 2))
        await asyncio.to_thread(broker.wait_started)
        await players.act("ann", 2, 3, partition=0)
        await players.act("bob", 1, partition=1)
        assert sorted((one.player, one.id) for one in await waiting) == [("ann", 3), ("bob", 1)]
        actions.processed()
        async with asyncio.timeout(DEADLINE_S):
            while [await players.committed(0), await players.committed(1)] != [4, 1]:
                pass
        await asyncio.to_thread(broker.stop, kill=True)
        monkeypatch.setattr(reader, "CLOSE_TIMEOUT_S", 0.5)
        leaving_at = time.monotonic()
    assert time.monotonic() - leaving_at < DEADLINE_S / 2
