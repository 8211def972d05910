"""The results say whether they can be trusted."""

import re

import pytest

from touchline_loadtest.measure.findings import percentile_ms
from touchline_loadtest.measure.measurement import Measurement
from touchline_loadtest.measure.trust import Doubt, doubts, trust_notes


def measured(
    *, busy: float = 0.3, waited_s: float = 0.0, stolen_s: float = 0.0, counters_busy: float = 0.1
) -> Measurement:
    return Measurement(
        deliveries=1000,
        reads=1000,
        bytes=286_000,
        wall_s=5.0,
        cpu_s=0.005,
        waited_s=waited_s,
        measuring_busy=busy - counters_busy,
        counters_busy=counters_busy,
        measuring_waited_s=0.05,
        counters_waited_s=0.5,
        stolen_s=stolen_s,
        publisher_late_s=0.0,
    )


def percentages(*notes: str) -> list[str]:
    return re.findall(r"[\d.]+%", "\n".join(notes))


def test_cpu_time_is_divided_among_deliveries() -> None:
    assert measured().cpu_us == 5.0
    assert measured().core_percent == pytest.approx(0.1)


def test_a_generator_that_keeps_up_on_a_quiet_machine_raises_no_doubt() -> None:
    both = measured(), measured(busy=0.5)
    assert doubts(*both) == []
    assert percentages(*trust_notes(*both)) == ["50%", "40%", "10%", "1.0%", "10.0%"]


def test_without_counters_the_notes_leave_them_out() -> None:
    assert percentages(*trust_notes(measured(counters_busy=0.0))) == ["30%", "1.0%"]


@pytest.mark.parametrize(
    ("second", "doubt", "percentage"),
    [
        (measured(busy=0.97), Doubt.GENERATOR_BUSY, "97%"),
        (measured(waited_s=1.0), Doubt.SERVER_WAITED, "20%"),
        (measured(stolen_s=0.5), Doubt.TIME_STOLEN, "10%"),
    ],
)
def test_each_doubt_is_reported_with_its_number(second: Measurement, doubt: Doubt, percentage: str) -> None:
    assert doubts(measured(), second) == [doubt]
    (note,) = [note for note in trust_notes(measured(), second) if note.startswith(doubt)]
    assert percentage in percentages(note)


def test_a_little_stolen_time_raises_no_doubt() -> None:
    assert doubts(measured(stolen_s=0.05)) == []


def test_lateness_is_in_milliseconds() -> None:
    assert percentile_ms([2_000_000] * 99 + [9_000_000], 50) == 2
    assert percentile_ms([3_000_000], 99) == 3
