"""Partitions that are added while players act: an action that is sent again comes to another partition."""

from collections import Counter

import pytest

from actions.players import Players, now_ms, players_of, take
from actions.records import action_record, written
from support.kafka_broker import KafkaBroker
from touchline.actions import Action

NAMES = [f"player{number}" for number in range(20)]


async def act(players: Players, *ids: int) -> None:
    """Every player acts. Its key decides on the partition."""
    at_ms = now_ms()
    await players.write(written(0, action_record(name, one, received_ms=at_ms)) for name in NAMES for one in ids)


def counted(actions: list[Action]) -> Counter[tuple[str, int]]:
    return Counter((one.player, one.id) for one in actions)


def each_once(*ids: int) -> Counter[tuple[str, int]]:
    return Counter((name, one) for name in NAMES for one in ids)


@pytest.mark.parametrize(("before", "after"), [(1, 4), (2, 3)])
async def test_actions_that_are_sent_again_after_partitions_were_added_are_handed_out_once(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture, before: int, after: int
) -> None:
    players = await players_of(kafka, before)
    async with players.read() as actions:
        await act(players, 1, 2)
        handed = await take(actions, 2 * len(NAMES))
        actions.processed()
        await kafka.add_partitions(players.topic, after)
        await act(players, 1, 2, 3)
        handed += await take(actions, len(NAMES))
        actions.processed()
        assert counted(handed) == each_once(1, 2, 3)
        assert actions.duplicates == 2 * len(NAMES)
    errors = [one for one in caplog.records if one.name == "touchline.kafka" and one.levelname == "ERROR"]
    assert errors
    async with players.read() as actions:  # and by a reader that starts afterwards
        await act(players, 1, 2, 4)
        assert counted(await take(actions, len(NAMES))) == each_once(4)


async def test_a_reader_that_was_away_hands_out_once_what_was_sent_again_meanwhile(kafka: KafkaBroker) -> None:
    players = await players_of(kafka, 2)
    handed: list[Action] = []
    async with players.read(start="beginning") as actions:
        await act(players, 1, 2)
        handed += await take(actions, 2 * len(NAMES))
        actions.processed()
    await kafka.add_partitions(players.topic, 5)
    await act(players, 1, 2, 3)
    async with players.read() as actions:
        handed += await take(actions, len(NAMES))
        actions.processed()
    assert counted(handed) == each_once(1, 2, 3)
