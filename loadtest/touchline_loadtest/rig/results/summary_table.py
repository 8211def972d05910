"""Shows the result of a load test in a terminal."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from touchline_loadtest.runs.records import SummaryRow

EXACT = 1000.0
"""Numbers from here on are shown without decimals."""


def show_summary(rows: Sequence[SummaryRow], console: Console) -> None:
    """Print what was measured, a line for each group of rows, and then what had to be so, and whether it is."""
    console.print(_measured_table([row for row in rows if row.group]))
    console.print(_judged_table([row for row in rows if not row.group]))


def _measured_table(rows: Sequence[SummaryRow]) -> Table:
    table = Table("measured")
    for name in dict.fromkeys(row.what for row in rows):
        table.add_column(name, justify="right")
    for group, of_group in groupby(rows, key=lambda row: row.group):
        table.add_row(group, *(measured_text(row) for row in of_group))
    return table


def _judged_table(rows: Sequence[SummaryRow]) -> Table:
    table = Table("required", "bound", "measured", "met")
    table.columns[2].justify = "right"
    for row in rows:
        table.add_row(row.what, row.bound, measured_text(row), {None: "", True: "yes", False: "[red]NO"}[row.met])
    return table


def measured_text(row: SummaryRow) -> str:
    """A measured number with its unit."""
    return f"{_number(row.measured)} {row.unit}".strip()


def _number(measured: float | str) -> str:
    if isinstance(measured, str):
        return measured
    return f"{measured:,.0f}" if measured == int(measured) or measured >= EXACT else f"{measured:,.3g}"
