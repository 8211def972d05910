"""A replica that hands out nothing although its leader has more is given up. Without Kafka."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from touchline_kafka.metadata.read_replicas import ReadReplicas
from touchline_server.log.kafka import stalled_replicas
from touchline_server.log.kafka.stalled_replicas import Look, StalledReplicas, is_stalled

LEADER, NEAR = 1, 3


@pytest.mark.parametrize(
    ("before", "now", "stalled"),
    [
        (None, Look(7, 9), False),  # the first look says nothing
        (Look(7, 9), Look(7, 9), True),
        (Look(7, 9), Look(7, 12), True),
        (Look(7, 9), Look(8, 12), False),  # slow is not stalled
        (Look(7, 7), Look(7, 9), False),  # what is new may have come a moment ago
        (Look(7, 7), Look(7, 7), False),
        (Look(7, 9), Look(5, 9), False),  # it was moved back
    ],
)
def test_a_replica_is_stalled_that_stays_at_an_offset_which_its_leader_has_passed(
    before: Look | None, now: Look, stalled: bool
) -> None:
    assert is_stalled(before, now) == stalled


class Fields(SimpleNamespace):
    """What the looks use of a topic, or of a partition that is read."""

    __hash__ = object.__hash__  # type: ignore[assignment]


async def test_only_the_partition_that_stands_still_goes_back_to_its_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Fields(known=None)
    still, moving, idle, led = (Fields(topic=topic, index=n, place=(b"id", n), position=5) for n in range(4))
    ends = {0: 9, 1: 9, 2: 5}
    asked: list[set[int]] = []

    async def list_offsets(_client: object, _topic: object, partitions: Iterable[int], _time: int) -> dict[int, int]:
        asked.append(set(partitions))
        return ends

    monkeypatch.setattr(stalled_replicas, "list_offsets", list_offsets)
    monkeypatch.setattr(stalled_replicas, "time", SimpleNamespace(monotonic=lambda: 0.0))
    replicas = ReadReplicas("c")
    for partition in (still, moving, idle):
        replicas.choose(partition.place, NEAR, 0.0)
    topics = SimpleNamespace(led=lambda: [(one, LEADER) for one in (still, moving, idle, led)])
    given_up: list[None] = []
    watch = StalledReplicas(cast(Any, None), cast(Any, topics), replicas, lambda: given_up.append(None))

    await watch.check()
    assert not given_up
    moving.position = 6
    await watch.check()
    assert [replicas.node(one.place, LEADER, 0.0) for one in (still, moving, idle)] == [LEADER, NEAR, NEAR]
    assert (len(given_up), replicas.rack(0.0)) == (1, "")
    assert asked == [{0, 1, 2}] * 2, "a partition that is read from its leader is not asked for"
