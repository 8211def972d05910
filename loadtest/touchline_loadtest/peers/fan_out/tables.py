"""The results as tables for a terminal and for documents, as rows of a run, and as JSON."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from touchline_loadtest.measure import machine
from touchline_loadtest.runs.records import SummaryRow
from touchline_protocol.printable import counted
from touchline_protocol.version import __version__

from .results import Numbers, PeerResult, Sizes

NOT_MEASURED = "not measured"
OURS, OURS_TOO = "touchline", "touchline-kafka"
CLEARLY = 1.05
"""How much better a peer has to be to count as better: smaller differences are noise."""


class Column(NamedTuple):
    """A number of each peer. ``short`` fits into a terminal. Without ``is_compared``, it is not the peer's merit."""

    name: str
    short: str
    unit: str
    value: Callable[[Numbers], float | None]
    shown: str
    higher_is_better: bool = False
    is_compared: bool = True


COLUMNS = (
    Column("CPU per delivery", "CPU", "us", lambda n: n.cpu_us, ".2f"),
    Column("p50", "p50", "ms", lambda n: n.p50_ms, ".1f"),
    Column("p99", "p99", "ms", lambda n: n.p99_ms, ".1f"),
    Column("process per connection", "process", "KiB", lambda n: n.process_kib, ".1f"),
    Column("kernel per connection", "kernel", "KiB", lambda n: n.kernel_kib, ".1f", is_compared=False),
    Column("connects", "connects", "/s", lambda n: n.connects_per_s, ",.0f", higher_is_better=True),
    Column("most deliveries", "most", "/s", lambda n: n.deliveries_per_s, ",.0f", higher_is_better=True),
    Column("wrong", "wrong", "", lambda n: n.wrong, ",.0f", is_compared=False),
)

COMPARED = [column for column in COLUMNS if column.is_compared]


def show(results: Sequence[PeerResult], console: Console) -> None:
    """Print the table, and what stopped each peer."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("peer", "version"):
        table.add_column(name, no_wrap=True)
    for column in COLUMNS:
        table.add_column(f"{column.short}\n{column.unit}", justify="right", no_wrap=True)
    for result in results:
        table.add_row(result.peer, result.version, *_cells(result))
    console.print(table)
    for result in results:
        for remark in _remarks(result):
            console.print(f"{result.peer}: {remark}", highlight=False, soft_wrap=True)


def as_markdown(results: Sequence[PeerResult], sizes: Sizes) -> str:
    """The section of a document: the task and the machine, the table, where peers are better, and remarks."""
    facts = machine.describe()
    lines = [
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {facts['cpu']}, {facts['system']}, Python {facts['python']}:",
        f"{sizes.clients:,} clients in one room, {sizes.rate_hz:g} events/s of {sizes.event_bytes} bytes, "
        f"{counted(sizes.runs, 'run')} of {sizes.seconds:g} s.",
        "",
        _line(["peer", "version", *map(_heading, COLUMNS)]),
        _line(["---", "---", *["--:"] * len(COLUMNS)]),
        *(_line([f"`{result.peer}`", result.version, *_cells(result)]) for result in results),
        "",
        "Where a peer is better than Touchline (the row `touchline`), by more than 5 %:",
        "",
        *better_than_ours(results),
        "",
        "How each one ran:",
        "",
        *(f"- `{result.peer}`: {remark}" for result in results for remark in _remarks(result)),
    ]
    return "\n".join(lines) + "\n"


def better_than_ours(results: Sequence[PeerResult]) -> list[str]:
    """A line for each peer that beats the row of ours in a number, and the numbers in which it does."""
    ours = next((result.numbers for result in results if result.peer == OURS), None)
    lines = []
    for result in results:
        if ours is None or result.numbers is None or result.peer in (OURS, OURS_TOO):
            continue
        if better := [
            _versus(column, result.numbers, ours) for column in COMPARED if _beats(column, result.numbers, ours)
        ]:
            lines.append(f"- `{result.peer}`: {', '.join(better)}")
    return lines or ["- nowhere in this run"]


def _beats(column: Column, theirs: Numbers, ours: Numbers) -> bool:
    high, low = column.value(theirs) or 0, column.value(ours) or 0
    if not column.higher_is_better:
        high, low = low, high
    return high > low * CLEARLY


def _versus(column: Column, theirs: Numbers, ours: Numbers) -> str:
    shown = [format(column.value(numbers) or 0, column.shown) for numbers in (theirs, ours)]
    return f"{column.name} {shown[0]} against {shown[1]} {column.unit}".rstrip()


def summary(results: Sequence[PeerResult]) -> list[SummaryRow]:
    """All numbers, as rows of a run."""
    rows = []
    for result in results:
        if result.numbers is None:
            rows.append(SummaryRow(NOT_MEASURED, result.missing, group=result.peer))
            continue
        for column in COLUMNS:
            value = column.value(result.numbers)
            measured = value if value is not None else "none passed"
            rows.append(SummaryRow(column.name, measured, column.unit, group=result.peer))
    return rows


def document(results: Sequence[PeerResult], sizes: Sizes, *, pinned: bool) -> dict[str, object]:
    """Everything, for JSON. ``pinned`` is whether servers and clients had a core each."""
    facts: dict[str, object] = {"touchline": __version__, "machine": machine.describe(), "pinned": pinned}
    return facts | {"sizes": sizes, "results": list(results)}


def _heading(column: Column) -> str:
    return f"{column.name}, {column.unit}" if column.unit else column.name


def _cells(result: PeerResult) -> list[str]:
    if result.numbers is None:
        return [NOT_MEASURED, *[""] * (len(COLUMNS) - 1)]
    values = [(column, column.value(result.numbers)) for column in COLUMNS]
    return ["none" if value is None else format(value, column.shown) for column, value in values]


def _remarks(result: PeerResult) -> list[str]:
    if result.numbers is None:
        return [f"{NOT_MEASURED}: {result.missing}"]
    return [f"{result.note}; the search ended with: {result.numbers.stopped_by}", *result.doubts]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
