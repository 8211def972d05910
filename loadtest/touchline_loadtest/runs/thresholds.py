"""Thresholds of a run, such as ``event.p99=50``: a quantile of a series must not be above so many milliseconds. Pure.

Every program that generates load takes them as ``--fail-above``, with the same names.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from touchline_protocol.errors import OperatorError

from .records import SummaryRow
from .series import ACTION_LATENCY, CONNECT_TIME, EVENT_LATENCY, FIRST_STATE, QUANTILES

SERIES: Mapping[str, str] = {
    "connect": CONNECT_TIME,
    "first_state": FIRST_STATE,
    "event": EVENT_LATENCY,
    "action": ACTION_LATENCY,
}
"""The names of what can be bounded, and the series behind them."""


class Threshold(NamedTuple):
    """A bound: the ``quantile`` of what ``name`` stands for must be at most ``ms``."""

    name: str
    quantile: str
    ms: float

    @property
    def series(self) -> str:
        """The series that is bounded."""
        return SERIES[self.name]


def parse_threshold(text: str, names: Collection[str] = SERIES) -> Threshold:
    """Read ``NAME.QUANTILE=MS``. A program that measures more than the usual series passes all of its ``names``.

    Raises:
        OperatorError: it has another form, or no such thing is measured.
    """
    what, equals, bound = text.partition("=")
    name, _, quantile_name = what.partition(".")
    try:
        ms = float(bound)
    except ValueError:
        ms = -1.0
    if not equals or not 0 <= ms < float("inf"):
        raise OperatorError(f"a threshold is NAME.QUANTILE=MS, such as event.p99=50, not {text!r}")
    for given, known in ((name, list(names)), (quantile_name, list(QUANTILES))):
        if given not in known:
            hint = get_close_matches(given, known, n=1) or known
            raise OperatorError(f"in the threshold {text!r}, {given!r} is unknown; there is {', '.join(hint)}")
    return Threshold(name, quantile_name, ms)


def judge(thresholds: Iterable[Threshold], measured: Callable[[Threshold], float | None]) -> list[SummaryRow]:
    """Hold a run against its thresholds: a row for each.

    ``measured`` returns the milliseconds of what a threshold bounds; None if there was nothing, which does not meet it.
    """
    rows = []
    for threshold in thresholds:
        ms = measured(threshold)
        rows.append(
            SummaryRow(
                what=f"{threshold.name} {threshold.quantile}",
                measured="nothing measured" if ms is None else ms,
                unit="" if ms is None else "ms",
                bound=f"<= {threshold.ms:g}",
                met=ms is not None and ms <= threshold.ms,
            )
        )
    return rows
