"""What an edge reports of the rooms that keepers keep: that they are behind, or have other settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from touchline_server.config.settings import Settings
from touchline_server.config.tables import FeedSettings
from touchline_server.core.room_keeping import KeptPartition, Progress
from touchline_server.core.room_store import BuiltWith
from touchline_server.core.rooms.partition_window import PartitionWindow
from touchline_server.node.fleet.kept_rooms import ROOM_STATE, KeptRooms
from touchline_server.store.memory.rooms import MemoryRooms

TOPIC = "scores"
WINDOWS = [PartitionWindow(TOPIC, "e", partition, 100) for partition in range(2)]
MINE = BuiltWith("type", 1 << 20, "keeper-1")


class Kept(MemoryRooms):
    """The memory store, as edges look at its progress."""

    async def kept(self, partitions: Sequence[KeptPartition]) -> Mapping[KeptPartition, Progress | None]:
        return {one: self.partitions.get(one) for one in partitions}


async def problems(built: BuiltWith, next_offset: int = 100, **settings: Any) -> Mapping[str, str]:
    """What an edge with ``key_field = "type"`` reports of two partitions that a keeper built like this."""
    store = Kept()
    for window in WINDOWS:
        progress = Progress("b", next_offset, next_offset, -1, -1, True, built)
        await store.begin(KeptPartition(TOPIC, "e", window.partition), progress)
    feeds = {"score": FeedSettings(topic=TOPIC, key_field="type")}
    kept = KeptRooms(store, Settings(log="kafka://127.0.0.1:9092", feeds=feeds, **settings))
    await kept.watch(WINDOWS)
    return kept.problems(0)


async def test_nothing_is_wrong_where_keepers_are_not_behind_and_have_the_same_settings() -> None:
    assert await problems(MINE) == {}
    assert await problems(MINE, state_bytes_max=1 << 19) == {}


@pytest.mark.parametrize("key_field", [None, "kind"])
async def test_a_keeper_with_another_key_field_is_reported_once_per_topic(key_field: str | None) -> None:
    (problem,) = (await problems(MINE._replace(key_field=key_field))).items()
    subject, why = problem
    assert subject == f"{ROOM_STATE} of {TOPIC}"
    assert all(name in why for name in ("keeper-1", "feeds.score.key_field", '"type"', key_field or "headers"))


async def test_a_keeper_with_less_space_for_a_state_is_reported() -> None:
    (problem,) = (await problems(MINE._replace(state_bytes_max=4096))).items()
    assert all(name in problem[1] for name in ("keeper-1", "state_bytes_max", "4096", str(1 << 20)))


async def test_each_partition_that_is_behind_is_reported() -> None:
    assert set(await problems(MINE, next_offset=99)) == {f"{ROOM_STATE} of {TOPIC}/{number}" for number in range(2)}
