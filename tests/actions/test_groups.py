"""Several readers of a group on a real Kafka: they come, go and are killed, and each action is handed out once."""

import asyncio
import contextlib
import json
import logging
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from actions.players import QUICK, Players, ids, now_ms, players_of, take
from actions.records import action_record, written
from support.kafka_broker import KafkaBroker
from support.waiting import DEADLINE_S, eventually
from touchline.actions import Action, ActionSource
from touchline_kafka.group import reader

PLAYERS = [f"player{number}" for number in range(20)]
PARTITIONS = 4


@asynccontextmanager
async def following(actions: ActionSource, *handed: list[Action]) -> AsyncIterator[None]:
    """Have a task read that stops only between two batches, like a service that receives a signal."""
    stopping = asyncio.Event()

    async def follow() -> None:
        stopped = asyncio.ensure_future(stopping.wait())
        while not stopping.is_set():
            batch = asyncio.ensure_future(actions.batch(7))
            await asyncio.wait([batch, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not batch.done():
                batch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                taken = await batch
                for one in handed:
                    one.extend(taken)
            await asyncio.sleep(0.001)
        actions.processed()

    async with actions:
        task = asyncio.create_task(follow())
        try:
            yield
        finally:
            stopping.set()
            await task


async def keep_taking(actions: ActionSource, handed: list[Action]) -> None:
    while True:
        handed += await actions.batch()


@asynccontextmanager
async def joined(joining: asyncio.Future[ActionSource]) -> AsyncIterator[ActionSource]:
    """A reader that is being entered by a task of its own."""
    actions = await joining
    try:
        yield actions
    finally:
        await actions.__aexit__(None, None, None)


def warned_of(value: object, caplog: pytest.LogCaptureFixture) -> bool:
    """Whether a reader warned of something that has ``value`` in it."""
    return any(record.args and value in record.args for record in caplog.records if record.name == "touchline.kafka")


class Game:
    """Players that act all the time, each in one session. Some actions are written twice."""

    def __init__(self, players: Players) -> None:
        self._players = players
        self.written = 0

    async def play(self, until_stopped: asyncio.Event) -> None:
        async with self._players.producer() as producer:
            while not until_stopped.is_set():
                self.written += 1
                records = [written(0, action_record(one, self.written, received_ms=now_ms())) for one in PLAYERS]
                duplicates = records[:: self.written % 3 + 1]
                for record in (*records, *duplicates):
                    await producer.send(
                        self._players.topic,
                        record.value,
                        record.key,
                        timestamp_ms=record.timestamp,
                        headers=list(record.headers),
                    )
                await asyncio.sleep(0.005)


def each_once_in_order(handed: Sequence[Action], upto: int) -> None:
    """Each player's actions were handed out once and in order, whichever readers did it."""
    found: dict[str, list[int]] = defaultdict(list)
    for action in handed:
        found[action.player].append(action.id)
    for player in PLAYERS:
        assert found[player] == list(range(1, upto + 1)), player


async def test_readers_that_join_and_leave_hand_out_each_action_once(kafka: KafkaBroker) -> None:
    players = await players_of(kafka, PARTITIONS)
    everything: list[Action] = []
    handed: list[list[Action]] = [[] for _ in range(4)]
    game, over = Game(players), asyncio.Event()

    async def more_by(*readers: int) -> None:
        before = [len(handed[one]) for one in readers]
        await eventually(lambda: all(len(handed[one]) > count + 50 for one, count in zip(readers, before, strict=True)))

    async with AsyncExitStack() as first, AsyncExitStack() as last:
        await first.enter_async_context(following(players.read(), handed[0], everything))
        playing = asyncio.create_task(game.play(over))
        await more_by(0)
        async with following(players.read(), handed[1], everything):
            await more_by(0, 1)
            async with following(players.read(), handed[2], everything):
                await more_by(0, 1, 2)
                await first.aclose()
                await more_by(1, 2)
            await more_by(1)
            await last.enter_async_context(following(players.read(), handed[3], everything))
            await more_by(1, 3)
        await more_by(3)
        over.set()
        await playing
        await eventually(lambda: len(everything) >= game.written * len(PLAYERS))
    each_once_in_order(everything, game.written)


async def test_a_rebalance_waits_for_what_is_in_hand(kafka: KafkaBroker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aiokafka")
    players = await players_of(kafka, 2)
    async with players.read() as slow:
        await players.act("ann", 1, 2, partition=0)
        await players.act("bob", 1, 2, partition=1)
        handed = await take(slow, 1)
        joining = asyncio.ensure_future(players.read().__aenter__())
        await eventually(lambda: "Revoking previously assigned partitions frozenset({Topic" in caplog.text)
        assert not joining.done()
        asking = asyncio.create_task(keep_taking(slow, handed))
        async with joined(joining) as other:
            also_asking = asyncio.create_task(keep_taking(other, handed))
            await eventually(lambda: len(handed) >= 4)
            for one in (asking, also_asking):
                one.cancel()
            await asyncio.gather(asking, also_asking, return_exceptions=True)
    assert sorted((one.player, one.id) for one in handed) == [("ann", 1), ("ann", 2), ("bob", 1), ("bob", 2)]


async def test_a_reader_that_asks_for_nothing_loses_its_place_and_can_come_back(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    async with players.read(commit_s=100, kafka_options={"max_poll_interval_ms": 1_500}) as idle:
        await players.act("ann", 1, 2)
        assert ids(await take(idle, 2)) == [1, 2]
        idle.processed()
        async with asyncio.timeout(DEADLINE_S):
            while await players.committed() != 2:
                pass
        await players.act("ann", 2, 3)
        async with players.read() as other:
            assert ids(await take(other, 1)) == [3]
            other.processed()
        await players.act("ann", 3, 2, 4)
        assert ids(await take(idle, 1)) == [4]


async def test_leaving_is_bounded_where_a_rebalance_waits_for_another_reader(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "aiokafka")
    monkeypatch.setattr(reader, "CLOSE_TIMEOUT_S", 0.2)
    players = await players_of(kafka, 2)
    leaving = players.read()
    async with players.read() as busy:
        await leaving.__aenter__()
        for partition in range(2):
            await players.act("ann", 1, session=f"s{partition}", partition=partition)
        await take(busy, 1)
        third = asyncio.ensure_future(players.read().__aenter__())
        await eventually(lambda: caplog.text.count("Revoking previously assigned partitions frozenset({Topic") >= 3)
        await leaving.__aexit__(None, None, None)
        assert warned_of(players.group, caplog)
        third.cancel()
        await asyncio.gather(third, return_exceptions=True)


async def test_a_reader_that_is_too_slow_for_a_rebalance_is_warned(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    players = await players_of(kafka)
    options = {"rebalance_timeout_ms": 600}
    async with players.read(kafka_options=options) as slow:
        await players.act("ann", 1, 2)
        await take(slow, 1)
        async with players.read(kafka_options=options):
            assert warned_of(pytest.approx(0.4), caplog)


async def test_duplicates_are_recognised_across_a_rebalance(kafka: KafkaBroker) -> None:
    players = await players_of(kafka, 2)
    handed: list[list[Action]] = [[], []]
    async with following(players.read(), handed[0]):
        for partition, player in enumerate(("ann", "bob")):
            await players.act(player, 1, 2, partition=partition)
        await eventually(lambda: len(handed[0]) == 4)
        async with following(players.read(), handed[1]):
            for partition, player in enumerate(("ann", "bob")):
                await players.act(player, 2, 3, partition=partition)
            await eventually(lambda: len(handed[0]) + len(handed[1]) >= 6)
            assert [len(one) for one in handed] == [5, 1]
    assert sorted(ids([*handed[0], *handed[1]])) == [1, 1, 2, 2, 3, 3]


KILLED = """
import asyncio, json, sys
import touchline

async def main():
    url, group, topic, options = sys.argv[1:]
    reader = touchline.actions.read(
        url, group=group, topic=topic, start="beginning", commit_s=0.05, kafka_options=json.loads(options)
    )
    async with reader as actions:
        async for action in actions:
            print(action.id, flush=True)
            await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


async def test_after_a_killed_reader_only_what_was_not_committed_comes_again(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    await players.act("ann", *range(1, 11))
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-c",
            KILLED,
            f"kafka://{kafka.address}",
            players.group,
            players.topic,
            json.dumps(dict(QUICK)),
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            for expected in range(1, 6):
                assert int(await process.stdout.readline()) == expected
                if expected < 5:
                    process.stdin.write(b"\n")
            while await players.committed() != 4:
                pass
    finally:
        process.kill()
        await process.communicate()
    async with players.read() as actions:
        await players.act("ann", 4, 11)
        assert ids(await take(actions, 7)) == [5, 6, 7, 8, 9, 10, 11]
