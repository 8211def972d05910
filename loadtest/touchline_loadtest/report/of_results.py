"""The charts of a run's summary: how much of each bound is used, and peers beside each other. Pure."""

import re
from collections.abc import Mapping, Sequence

from touchline_loadtest.runs.records import RunInfo, SummaryRow

from .charts import Chart, Line, shortened, unit_title

PEERS = "peers"
"""The kind of run whose groups are compared: each is a peer, measured the same way."""
BOUND = re.compile(r"(<=|>=) *([0-9.eE+-]+)")
BARS_MAX = 60
PERCENT = 100


def charts_of_results(info: RunInfo, colours: Mapping[str, str]) -> list[Chart]:
    """The charts of a summary; none if it has no numbers to compare. ``colours`` has those of its groups."""
    charts = compared(info.summary, colours) if info.kind == PEERS else []
    used = {
        row_name(row): share for row in info.summary if row.met is not None and (share := bound_used(row)) is not None
    }
    if used:
        charts.append(_bounds_chart(used))
    return charts


def row_name(row: SummaryRow) -> str:
    """The row's name where its group is not shown."""
    return f"{row.group}: {row.what}" if row.group else row.what


def bound_used(row: SummaryRow) -> float | None:
    """The share of the bound that is used, in %: up to 100 it is met. None without a bound of that form."""
    found = BOUND.fullmatch(row.bound.replace(",", ""))
    if found is None or isinstance(row.measured, str):
        return None
    try:
        bound = float(found[2])
    except ValueError:
        return None
    used, allowed = (row.measured, bound) if found[1] == "<=" else (bound, row.measured)
    return used / allowed * PERCENT if used >= 0 and allowed > 0 else None


def compared(rows: Sequence[SummaryRow], colours: Mapping[str, str]) -> list[Chart]:
    """A chart for each number that several groups have, with a bar for each of them, in the order of the summary.

    A number that is 0 for all of them has none.
    """
    numbers: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if not isinstance(row.measured, str):
            numbers.setdefault((row.what, row.unit), {})[row.group] = row.measured
    return [
        _compared_chart(what, unit, values, colours)
        for (what, unit), values in numbers.items()
        if len(values) > 1 and any(values.values())
    ]


def _compared_chart(what: str, unit: str, values: Mapping[str, float], colours: Mapping[str, str]) -> Chart:
    groups = list(values)[:BARS_MAX]
    return Chart(
        id=re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")[:60] or "chart",
        title=shortened(what, 90),
        about="",
        x_title=unit_title(unit),
        y_title="",
        lines=[Line(shortened(group), colours[group], [shortened(group)], [values[group]]) for group in groups],
        unit=unit,
        form="bars",
        omitted=len(values) - len(groups),
    )


def _bounds_chart(used: Mapping[str, float]) -> Chart:
    shown = list(used.items())[:BARS_MAX]
    bars = {met: [(name, share) for name, share in shown if (share <= PERCENT) is met] for met in (True, False)}
    return Chart(
        id="bounds",
        title="How much of each bound is used",
        about="100 % is the bound itself: shorter bars are better",
        x_title="share of the bound (%)",
        y_title="",
        lines=[
            Line(
                name,
                colour,
                [shortened(row) for row, _ in bars[met]],
                [float(f"{share:.4g}") for _, share in bars[met]],
            )
            for met, name, colour in ((True, "met", "met"), (False, "not met", "missed"))
            if bars[met]
        ],
        unit="%",
        form="bars",
        wide=True,
        omitted=len(used) - len(shown),
    )
