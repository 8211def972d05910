"""Lost connections of slow readers: their slowness explains some of them, and the others are reported."""

from collections.abc import Callable

import msgspec
import pytest

from support.observed_process import WELCOME, Process, event, join
from touchline_loadtest.checks.comparison.close_check import Causes
from touchline_loadtest.locust.observe.observer import Observer
from touchline_loadtest.locust.observe.slowness import BEHIND_MS


def silence(process: Process, observer: Observer) -> None:
    observer.received(event(1), 40)
    observer.closed(1006, by_us=False, silent=True)


def cut_while_behind(process: Process, observer: Observer) -> None:
    process.now_ms += BEHIND_MS
    observer.arrived(4.2, round(process.now_ms * 1e6))
    observer.received(event(1), 40)
    observer.arrived(4.3, round(process.now_ms * 1e6))  # the end
    observer.closed(1006, by_us=False)


def cut_while_up_to_date(process: Process, observer: Observer) -> None:
    cut_while_behind(process, observer)
    process.notes.causes.clear()
    return_at_once(process, observer)
    observer.received(msgspec.structs.replace(event(3), ts=round(process.now_ms) - 5), 40)
    observer.closed(1006, by_us=False)


def cut_while_catching_up(process: Process, observer: Observer) -> None:
    observer.received(event(1), 40)
    observer.closed(1006, by_us=True)
    process.notes.causes.clear()
    process.now_ms += 10 * BEHIND_MS
    return_at_once(process, observer)
    process.now_ms += BEHIND_MS
    observer.closed(1006, by_us=False)


def no_welcome(process: Process, observer: Observer) -> None:
    observer.closed(1006, by_us=True)
    process.notes.causes.clear()
    observer.connecting(5.0)
    observer.connected(5.1)
    observer.closed(1006, by_us=False, silent=True)


def return_at_once(process: Process, observer: Observer) -> None:
    """Come back with the cursor, and receive event 2, which was missed."""
    observer.connecting(5.0)
    observer.connected(5.1)
    observer.arrived(5.2, round(process.now_ms * 1e6))
    observer.received(WELCOME, 50)
    join(observer, 2, after=1, number=2)
    observer.received(event(2), 40)


@pytest.mark.parametrize("happened", [silence, cut_while_behind])
def test_slow_reading_explains_lost_connections_of_slow_readers_only(
    happened: Callable[[Process, Observer], None],
) -> None:
    process = Process()
    happened(process, process.joined(slow_reader=True))
    process.surprises.judge(float("inf"))
    assert process.notes.kinds == []
    causes = Causes(process.notes.causes)
    assert [causes.check(close) for close in process.notes.closes] == [None]

    process = Process()
    happened(process, process.joined())
    process.surprises.judge(float("inf"))
    assert process.notes.kinds == ["unexplained_close"]
    assert Causes(process.notes.causes).check(process.notes.closes[-1]) is not None


@pytest.mark.parametrize(
    ("happened", "kind"),
    [
        (cut_while_up_to_date, "unexplained_close"),
        (cut_while_catching_up, "unexplained_close"),
        (no_welcome, "no_welcome"),
    ],
)
def test_a_slow_reader_that_is_not_behind_reports_a_lost_connection(
    happened: Callable[[Process, Observer], None], kind: str
) -> None:
    process = Process()
    happened(process, process.joined(slow_reader=True))
    process.surprises.judge(float("inf"))
    assert process.notes.kinds == [kind]
    assert process.notes.causes == []
