"""What ``--fail-above`` accepts, and whether a run keeps it. Pure.

Besides the names that every generator of load knows (`touchline_loadtest.runs.thresholds`), each row of Locust's table
has one, and ``failures`` is their number. Times are rounded as Locust rounds them: to 1 ms below 100 ms, else to two
digits.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from touchline_loadtest.locust.observe import rows
from touchline_loadtest.runs.records import SummaryRow
from touchline_loadtest.runs.series import QUANTILES, quantile_of_counts
from touchline_loadtest.runs.thresholds import Threshold, judge, parse_threshold
from touchline_protocol.errors import OperatorError

FAILURES = "failures"
JOINS = "joins"

NAMES: Mapping[str, str] = {
    "connect": rows.CONNECT,
    "first_state": rows.FIRST_STATE,
    "event": rows.EVENT,
    "action": rows.ACTION,
    "return": rows.RETURN,
    "start_over": rows.START_OVER,
    "replayed_event": rows.REPLAY,
    "event_slow": rows.EVENT_SLOW,
    "event_stream": rows.EVENT_STREAM,
    "action_cheater": rows.ACTION_CHEATER,
}
"""The names for thresholds, and the rows of the table behind them."""


class Table(NamedTuple):
    """Locust's table at the end of a run: for each row how often each time in ms was observed, and all failures."""

    times: Mapping[str, Mapping[int, int]]
    failures: int


def check_threshold(text: str) -> None:
    """Make sure that ``text`` is a threshold.

    Raises:
        OperatorError: it has another form, or no such thing is measured.
    """
    if _failures_of(text) is None and parse_threshold(text, [*NAMES, FAILURES]).name == FAILURES:
        raise OperatorError(f"{text!r} is not a threshold such as {FAILURES}=0")


def verdict(thresholds: Iterable[str], table: Table) -> list[SummaryRow]:
    """Hold a run against its thresholds: a row for each. A time that was never measured does not meet its threshold."""
    summary: list[SummaryRow] = []
    times: list[Threshold] = []
    for text in thresholds:
        most = _failures_of(text)
        if most is None:
            times.append(parse_threshold(text, NAMES))
        else:
            met = table.failures <= most
            summary.append(SummaryRow(FAILURES, table.failures, bound=f"<= {most}", met=met))
    return [*judge(times, lambda threshold: _measured(threshold, table)), *summary]


def joins(table: Table) -> SummaryRow:
    """The row of a rule that holds for every run: somebody is let into a room. Otherwise nothing has been tested."""
    count = sum(sum(table.times.get(row, {}).values()) for row in (rows.FIRST_STATE, rows.RETURN))
    return SummaryRow(JOINS, count or "nobody was let into a room", bound=">= 1", met=count > 0)


def _measured(threshold: Threshold, table: Table) -> float | None:
    times = table.times.get(NAMES[threshold.name])
    return quantile_of_counts(times.items(), QUANTILES[threshold.quantile]) if times else None


def _failures_of(text: str) -> int | None:
    """The bound of ``failures=N``; None if ``text`` is about something else.

    Raises:
        OperatorError: it is about failures, but their number is not one.
    """
    name, equals, most = text.partition("=")
    if name != FAILURES:
        return None
    if not equals or not most.isdecimal():
        raise OperatorError(f"{text!r} is not a threshold such as {FAILURES}=0")
    return int(most)
