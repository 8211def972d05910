"""Shows the result of a load test in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from touchline_loadtest.runs.records import SummaryRow


def show_summary(rows: Sequence[SummaryRow], console: Console) -> None:
    """Print a table of what was measured, and whether it is within its bounds."""
    table = Table()
    for name in ("", "what", "measured", "bound", "met"):
        table.add_column(name, justify="right" if name == "measured" else "left")
    group = ""
    for row in rows:
        table.add_row("" if row.group == group else row.group, row.what, _measured(row), row.bound, _met(row))
        group = row.group
    console.print(table)


def _measured(row: SummaryRow) -> str:
    return f"{_number(row.measured)} {row.unit}".strip()


def _number(measured: float | str) -> str:
    if isinstance(measured, str):
        return measured
    return f"{measured:,}" if isinstance(measured, int) else f"{measured:,.4g}"


def _met(row: SummaryRow) -> str:
    return "" if row.met is None else "yes" if row.met else "[red]no"
