"""The service over scripted sources: its order at the start, and that it writes verdicts before it goes on."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Self

import pytest

from cheatwatch.acting import Did
from touchline_cheatwatch.clocks.steady import SteadyClock
from touchline_cheatwatch.engine import Engine, Outcome
from touchline_cheatwatch.rooms import Event
from touchline_cheatwatch.rules.base import Rule
from touchline_cheatwatch.rules.rate import Rate
from touchline_cheatwatch.rules.score import Score
from touchline_cheatwatch.sanctions import operator_verdict
from touchline_cheatwatch.service import Service
from touchline_cheatwatch.sources import EventsLost, RoomEvent
from touchline_cheatwatch.types import Decision, Judgement, Now, PlayerAction
from touchline_protocol.errors import LogUnavailable, OperatorError, RecordRefusal, RecordsRefused
from touchline_protocol.verdicts import VerdictRecord

NOW_S = 1_000.0
CLOCK = SteadyClock(monotonic_s=lambda: 5.0, wall_s=lambda: NOW_S)
KNOWN_S = 10.0
IDLE_POLLS = 5
"""The monotonic time up to which events are known: later than everything that the actions wait for."""


class Course:
    """All three sources and the observer at once. ``seen`` records the calls, in order."""

    skipped = duplicates = 0
    lags: Mapping[int, int] = MappingProxyType({})

    def __init__(self, *batches: list[Did]) -> None:
        self.seen: list[Any] = []
        self.batches = list(batches)
        self.verdicts: list[tuple[str, VerdictRecord]] = []
        self.events: list[RoomEvent | EventsLost] = []
        self.known_s: float | None = None
        self.failure: OperatorError | None = None
        """What writing a verdict raises."""
        self.done = asyncio.Event()
        self.idle_polls = 0

    # Actions.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        raise NotImplementedError

    def processed(self) -> None: ...

    async def batch(self, actions_max: int = 1000) -> Any:
        self.seen.append("batch")
        if self.batches:
            return self.batches.pop(0)
        self.idle_polls = 1
        return await asyncio.Future()


class Events:
    def __init__(self, course: Course) -> None:
        self._course = course

    @property
    def known_s(self) -> float | None:
        return self._course.known_s

    async def poll(self) -> Sequence[RoomEvent | EventsLost]:
        if self._course.known_s is None:
            self._course.seen.append("events")
            self._course.known_s = KNOWN_S
        if self._course.idle_polls:  # all actions were handed out: what waits for events is judged in these rounds
            self._course.idle_polls += 1
            if self._course.idle_polls > IDLE_POLLS:
                self._course.done.set()
        found, self._course.events = self._course.events, []
        await asyncio.sleep(0)
        return found


class Verdicts:
    def __init__(self, course: Course) -> None:
        self._course = course

    async def current(self) -> Sequence[tuple[str, VerdictRecord]]:
        self._course.seen.append("current")
        return self._course.verdicts

    async def poll(self) -> Sequence[tuple[str, VerdictRecord]]:
        return await asyncio.Future()

    async def write(self, verdicts: Sequence[Decision]) -> None:
        await asyncio.sleep(0)
        if self._course.failure is not None:
            raise self._course.failure
        self._course.seen.append([(player, verdict.kind) for player, verdict, _ in verdicts])


class RecordingObserver:
    def __init__(self, course: Course) -> None:
        self._course = course

    def watching(self) -> None:
        self._course.seen.append("watching")

    def judged(self, actions: Sequence[PlayerAction], now: Now) -> None:
        assert now == Now(round(NOW_S * 1000), round(NOW_S * 1000))

    def found(self, outcomes: Sequence[Outcome]) -> None:
        self._course.seen.append([outcome.rule for outcome in outcomes if isinstance(outcome, Judgement)])


async def serve(course: Course) -> None:
    rules: dict[str, Rule[Any]] = {
        "fast": Rate(burst_max=1, verdict="ban", verdict_s=0, kinds=("tap",)),
        "lies": Score(settle_s=0.001),
    }
    service = Service(Engine(rules), course, Events(course), Verdicts(course), RecordingObserver(course), CLOCK)
    running = asyncio.ensure_future(service.run())
    await asyncio.wait({running, asyncio.ensure_future(course.done.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_it_reads_the_current_verdicts_before_it_judges_and_writes_before_it_goes_on() -> None:
    course = Course([Did(1), Did(1), Did(1, player="bob")], [Did(1, player="bob")])
    await serve(course)
    assert course.seen == [
        *("current", "events", "watching", "batch"),
        *([("ann", "ban")], ["fast"], "batch"),
        *([("bob", "ban")], ["fast"], "batch"),
    ]


async def test_a_verdict_in_force_is_not_written_again() -> None:
    course = Course([Did(1), Did(1)])
    course.verdicts = [("ann", operator_verdict("ban", "because", None, 1))]
    await serve(course)
    assert course.seen[3:] == ["batch", ["fast"], "batch"]


async def test_older_events_are_known_to_the_first_judgement() -> None:
    course = Course([Did(10, "score", {"score": 11})])
    course.events = [RoomEvent("match:1", Event(0, 1, "last_goal"), complete=True)]
    await serve(course)
    assert course.seen[4:] == ["batch", [("ann", "mute")], ["lies"]]


async def test_after_missed_events_nobody_is_accused_by_those_that_are_left() -> None:
    course = Course([Did(10, "score", {"score": 11})])
    course.events = [RoomEvent("match:1", Event(0, 1, "last_goal"), complete=True), EventsLost()]
    await serve(course)
    assert course.seen[4:] == ["batch"]


async def test_a_verdict_that_cannot_be_written_ends_the_service_before_it_goes_on() -> None:
    course = Course([Did(1), Did(1)], [Did(2)])
    course.failure = LogUnavailable("a verdict could not be written")
    with pytest.raises(LogUnavailable):
        await serve(course)
    assert course.seen.count("batch") == 1


async def test_a_verdict_that_the_log_refuses_for_good_keeps_nobody_from_being_judged() -> None:
    course = Course([Did(1), Did(1)], [Did(2, player="bob")])
    course.failure = RecordsRefused("cheat-verdicts", {0: RecordRefusal(True, "it is too large")}, written=1)
    await serve(course)
    assert course.seen.count("batch") == 3
