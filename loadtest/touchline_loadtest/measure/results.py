"""The results of scenarios, each number beside its bound: as structs, as a table, and as JSON."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

from touchline_loadtest.runs.records import SummaryRow
from touchline_protocol.errors import OperatorError
from touchline_protocol.version import __version__

from . import machine
from .bench import ServerCommand

OTHER_SIZES = "run at sizes that the bounds of its speed and memory are not meant for: these are not judged (-)"


class Bound(msgspec.Struct, frozen=True):
    """The required range of a number."""

    sense: Literal["<=", ">=", "="]
    value: float

    def holds(self, number: float) -> bool:
        """Whether ``number`` is within the bound."""
        if self.sense == "<=":
            return number <= self.value
        return number >= self.value if self.sense == ">=" else number == self.value

    def __str__(self) -> str:
        return f"{self.sense} {_shown(self.value)}"


class Row(msgspec.Struct, frozen=True):
    """One number; not every number has a ``bound``. Without ``is_judged``, the bound is meant for other sizes."""

    what: str
    value: float
    unit: str
    bound: Bound | None = None
    is_judged: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the bound holds; None if there is none, or if it is not judged."""
        return None if self.bound is None or not self.is_judged else self.bound.holds(self.value)

    @property
    def verdict(self) -> str:
        """`met` in a table."""
        if self.met is None:
            return "" if self.bound is None else "-"
        return "yes" if self.met else "NO"


class Result(msgspec.Struct, frozen=True):
    """The numbers of one scenario, its sizes, and ``notes`` with what a reader needs to judge the numbers."""

    scenario: str
    rows: list[Row]
    sizes: dict[str, float]
    notes: list[str] = []

    def at_other_sizes(self) -> "Result":
        """The same numbers, of a run at other sizes. Exact bounds, such as no lost event, hold at any size."""
        rows = [
            msgspec.structs.replace(row, is_judged=row.bound is None or row.bound.sense == "=") for row in self.rows
        ]
        return Result(self.scenario, rows, self.sizes, [OTHER_SIZES, *self.notes])

    def row(self, what: str) -> Row:
        """The row with that name."""
        return next(row for row in self.rows if row.what == what)


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table, and the notes below it."""
    table = Table("scenario", "what", "measured", "required", "met")
    for column in (2, 3):
        table.columns[column].justify = "right"
    for result in results:
        for number, row in enumerate(result.rows):
            bound = "" if row.bound is None else str(row.bound)
            table.add_row(
                "" if number else result.scenario,
                row.what,
                f"{_shown(row.value)} {row.unit}".rstrip(),
                bound,
                row.verdict,
                end_section=row is result.rows[-1],
            )
    console.print(table)
    for result in results:
        for note in result.notes:
            console.print(f"{result.scenario}: {note}", highlight=False, soft_wrap=True)


def summary(results: Sequence[Result]) -> tuple[list[SummaryRow], list[str]]:
    """The rows of a run's summary, a group for each scenario, and the notes."""
    rows = [
        SummaryRow(row.what, row.value, row.unit, "" if row.bound is None else str(row.bound), row.met, result.scenario)
        for result in results
        for row in result.rows
    ]
    return rows, [f"{result.scenario}: {note}" for result in results for note in result.notes]


def check_writable(path: Path) -> None:
    """Check that results can be written, before minutes are spent on them. Leaves no new file behind.

    Raises:
        OperatorError: they cannot.
    """
    is_new = not os.path.lexists(path)
    try:
        with path.open("ab"):
            pass
        if is_new:
            path.unlink()
    except OSError as error:
        raise OperatorError(f"cannot write the results to {path}: {error.strerror or error}") from error


def write_json(results: Sequence[Result], path: Path, cores: machine.Cores, server: ServerCommand) -> None:
    """Write all results for other programs to read."""
    document = {
        "touchline": __version__,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine.describe(),
        "server_python": server.python,
        "pinned": cores.pinned,
        "results": [
            msgspec.to_builtins(result) | {"rows": [msgspec.to_builtins(row) | {"met": row.met} for row in result.rows]}
            for result in results
        ],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004
