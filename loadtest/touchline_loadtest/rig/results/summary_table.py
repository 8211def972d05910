"""Shows the result of a load test in a terminal."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from touchline_loadtest.runs.records import SummaryRow

EXACT = 1000.0
"""Numbers from here on are shown without decimals."""


def show_summary(rows: Sequence[SummaryRow], console: Console) -> None:
    """Print what was measured, a line for each group of rows, and then what had to be so, and whether it is."""
    measured = [row for row in rows if row.group and row.met is None]
    for columns, groups in _groups_by_columns(measured).items():
        console.print(_measured_table(columns, groups))
    console.print(_judged_table([row for row in rows if not row.group or row.met is not None]))


def _groups_by_columns(rows: Sequence[SummaryRow]) -> Mapping[tuple[str, ...], Sequence[Sequence[SummaryRow]]]:
    """Groups that have the same numbers can share a table."""
    found: dict[tuple[str, ...], list[list[SummaryRow]]] = {}
    for _, of_group in groupby(rows, key=lambda row: row.group):
        group = list(of_group)
        found.setdefault(tuple(row.what for row in group), []).append(group)
    return found


def _measured_table(columns: Sequence[str], groups: Sequence[Sequence[SummaryRow]]) -> Table:
    table = Table("measured")
    for name in columns:
        table.add_column(name, justify="right")
    for group in groups:
        table.add_row(group[0].group, *(measured_text(row) for row in group))
    return table


def _judged_table(rows: Sequence[SummaryRow]) -> Table:
    table = Table("required", "bound", "measured", "met")
    table.columns[2].justify = "right"
    for row in rows:
        what = f"{row.group}: {row.what}" if row.group else row.what
        table.add_row(what, row.bound, measured_text(row), {None: "", True: "yes", False: "[red]NO"}[row.met])
    return table


def measured_text(row: SummaryRow) -> str:
    """A measured number with its unit."""
    return f"{_number(row.measured)} {row.unit}".strip()


def _number(measured: float | str) -> str:
    if isinstance(measured, str):
        return measured
    return f"{measured:,.0f}" if measured == int(measured) or measured >= EXACT else f"{measured:,.3g}"
