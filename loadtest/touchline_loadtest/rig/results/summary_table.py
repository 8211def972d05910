"""Shows the result of a load test in a terminal."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from touchline_loadtest.runs.records import SummaryRow


def show_summary(rows: Sequence[SummaryRow], console: Console) -> None:
    """Print what was measured, a line for each group of rows, and then what had to be so, and whether it is."""
    console.print(_measured_table([row for row in rows if row.group]))
    console.print(_judged_table([row for row in rows if not row.group]))


def _measured_table(rows: Sequence[SummaryRow]) -> Table:
    table = Table("measured")
    for name in dict.fromkeys(row.what for row in rows):
        table.add_column(name, justify="right")
    for group, of_group in groupby(rows, key=lambda row: row.group):
        table.add_row(group, *(_measured(row) for row in of_group))
    return table


def _judged_table(rows: Sequence[SummaryRow]) -> Table:
    table = Table("required", "bound", "measured", "met")
    table.columns[2].justify = "right"
    for row in rows:
        table.add_row(row.what, row.bound, _measured(row), {None: "", True: "yes", False: "[red]NO"}[row.met])
    return table


def _measured(row: SummaryRow) -> str:
    return f"{_number(row.measured)} {row.unit}".strip()


def _number(measured: float | str) -> str:
    if isinstance(measured, str):
        return measured
    return f"{measured:,}" if isinstance(measured, int) else f"{measured:,.4g}"
