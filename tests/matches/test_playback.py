"""Playing a timeline: the log has all of its events in order, even if publishing fails on the way."""

import asyncio
from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_demo.matches.timeline import Timed
from touchline_demo.playback import BATCH_EVENTS_MAX, Report, play
from touchline_protocol.errors import OperatorError
from touchline_server.core.log import AppendFailed, Position
from touchline_server.new_events import NewEvent

FAST = 1e6
"""A speed at which everything is due at once."""


class Journal:
    """A publisher that keeps its events. ``failures``: how many events each of the first calls accepts, then fails."""

    def __init__(self, failures: Sequence[int | None] = ()) -> None:
        self.taken: list[tuple[str, NewEvent]] = []
        self.sizes: list[int] = []
        self.times: list[float] = []
        self._failures = list(failures)

    async def publish(self, room: str, events: Sequence[NewEvent]) -> list[Position]:
        self.times.append(asyncio.get_running_loop().time())
        self.sizes.append(len(events))
        failure = self._failures.pop(0) if self._failures else None
        count = len(events) if failure is None else min(failure, len(events) - 1)
        self.taken += [(room, event) for event in events[:count]]
        if count < len(events):
            raise AppendFailed("the log is away", count)
        return [Position(0, offset) for offset in range(len(events))]

    async def close(self) -> None:
        pass


class Heard:
    """What a player reported."""

    def __init__(self) -> None:
        self.count = 0
        self.problems: list[str] = []

    @property
    def report(self) -> Report:
        return Report(self._published, self.problems.append)

    def _published(self, count: int) -> None:
        self.count += count


def timeline(*rooms: str, apart_s: float = 0.0) -> list[Timed]:
    """One item for each of ``rooms``, numbered in ``data``."""
    return [
        Timed(number * apart_s, room.partition(":")[2], room.partition(":")[0], None, {"n": number})
        for number, room in enumerate(rooms)
    ]


def numbers(journal: Journal, room: str) -> list[bytes | None]:
    return [event.value for taken_room, event in journal.taken if taken_room == room]


def expected(rooms: Sequence[str], room: str) -> list[bytes | None]:
    return [b'{"n":%d}' % number for number, name in enumerate(rooms) if name == room]


@given(
    st.lists(st.sampled_from(["match:1", "match:2", "score:1"]), max_size=30),
    st.lists(st.none() | st.integers(0, 3), max_size=2),
)
async def test_each_rooms_events_are_taken_once_and_in_order_whatever_fails(
    rooms: list[str], failures: list[int | None]
) -> None:
    journal, heard = Journal(failures), Heard()
    async with asyncio.timeout(90):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("touchline_demo.playback.RETRY_S_MIN", 0.0)
            await play(timeline(*rooms), journal, heard.report, speed=FAST)
    for room in set(rooms):
        assert numbers(journal, room) == expected(rooms, room)
    assert heard.count == len(rooms) == len(journal.taken)


async def test_events_taken_before_a_failure_are_not_sent_again() -> None:
    rooms = ["match:1"] * 5
    journal, heard = Journal([3, 1]), Heard()
    await play(timeline(*rooms), journal, heard.report, speed=FAST)
    assert numbers(journal, "match:1") == expected(rooms, "match:1")
    assert journal.sizes == [5, 2, 1]
    assert (heard.count, heard.problems) == (5, ["the log is away"] * 2)


async def test_it_gives_up_if_the_log_stays_unavailable() -> None:
    journal = Journal([0] * 1000)
    with pytest.raises(OperatorError, match=r"0\.2 s.*the log is away"):
        await play(timeline("match:1"), journal, Heard().report, speed=FAST, patience_s=0.2)
    assert journal.taken == []


async def test_an_event_is_published_when_it_is_due() -> None:
    journal = Journal()
    loop = asyncio.get_running_loop()
    started = loop.time()
    await play(timeline(*["match:1"] * 4, apart_s=6.0), journal, Heard().report, speed=60)
    assert sum(journal.sizes) == 4
    for published, at in zip(accumulate(journal.sizes), journal.times, strict=True):  # several, if it is late
        assert at - started >= (published - 1) * 0.1 - 0.005


async def test_events_due_together_are_published_together_within_bounds() -> None:
    journal = Journal()
    await play(timeline(*["match:1"] * (BATCH_EVENTS_MAX + 1)), journal, Heard().report, speed=FAST)
    assert journal.sizes == [BATCH_EVENTS_MAX, 1]
    large = [Timed(0.0, "1", "match", None, {"text": "x" * 200_000}) for _ in range(12)]
    journal = Journal()
    await play(large, journal, Heard().report, speed=FAST)
    assert sum(journal.sizes) == 12
    assert max(journal.sizes) <= 6


async def test_keys_are_kept() -> None:
    journal = Journal()
    await play([Timed(0.0, "1", "score", "clock", {"minute": 3})], journal, Heard().report)
    assert journal.taken == [("score:1", NewEvent(b'{"minute":3}', "clock"))]
