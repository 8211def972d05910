"""The files that Locust writes with ``--csv NAME``: ``NAME_stats_history.csv``, and the others beside it if they exist.

Any Locust test has them, whether it is of Touchline or not. ``--csv-full-history`` adds the rows of each name, which
become charts of their own.
"""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from touchline_loadtest.report.run import Run
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.records import RunInfo, Sample, SummaryRow
from touchline_loadtest.runs.series import QUANTILE

HISTORY = "_stats_history.csv"
STATS = "_stats.csv"
FAILURES = "_failures.csv"

AGGREGATED = "Aggregated"
COLUMNS = ("Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s", "50%")
QUANTILE_COLUMNS = {"50%": "p50", "90%": "p90", "99%": "p99", "99.9%": "p99.9", "100%": "max"}

Row = dict[str, str]


def load(path: Path) -> Run:
    """Read the history at ``path``, and its neighbours.

    Raises:
        BadRun: it cannot be read, or is another file.
    """
    rows = list(_rows(path))
    missing = [column for column in COLUMNS if rows and column not in rows[0]]
    if missing or not path.name.endswith(HISTORY):
        raise BadRun(f"{path} is not a history of Locust's: name the file that ends in {HISTORY}")
    samples: list[Sample] = []
    for number, row in enumerate(rows, 2):
        try:
            samples += _samples(row)
        except (ValueError, TypeError) as error:
            if number <= len(rows):
                raise BadRun(f"{path}, line {number}: {error}") from error
    times = [sample.at_ms for sample in samples]
    stem = path.name.removesuffix(HISTORY)
    info = RunInfo(
        name=f"Locust: {stem}",
        kind="locust",
        began_ms=min(times, default=0.0),
        ended_ms=max(times, default=0.0),
        settings={"file": path.name},
        summary=[*_totals(path.with_name(stem + STATS)), *_failures(path.with_name(stem + FAILURES))],
    )
    return Run(info, [samples])


def _rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield from csv.DictReader(file)
    except OSError as error:
        raise BadRun(f"cannot read {path}: {error.strerror or error}") from error
    except csv.Error as error:
        raise BadRun(f"{path}: {error}") from error


def _samples(row: Row) -> Iterator[Sample]:
    at_ms = float(row["Timestamp"]) * 1000
    name = row["Name"]
    yield from (
        Sample(
            at_ms, f"response time of {name}" if name != AGGREGATED else "response time", value, "ms", {QUANTILE: each}
        )
        for column, each in QUANTILE_COLUMNS.items()
        # Locust writes 0 while there are no requests.
        if (value := _number(row.get(column))) > 0
    )
    if name == AGGREGATED:
        yield Sample(at_ms, "users", float(row["User Count"]))
        yield Sample(at_ms, "requests", float(row["Requests/s"]), "/s")
        yield Sample(at_ms, "failures", float(row["Failures/s"]), "/s")


def _number(text: str | None) -> float:
    """Locust writes N/A for a percentile while there are no requests."""
    return math.nan if text in {None, "", "N/A"} else float(text or "")


def _totals(path: Path) -> Iterator[SummaryRow]:
    for row in _rows(path) if path.exists() else ():
        group = row["Name"] if row["Name"] != AGGREGATED else "all together"
        for what, column, unit in (
            ("requests", "Request Count", ""),
            ("requests/s", "Requests/s", "/s"),
            ("p50", "50%", "ms"),
            ("p99", "99%", "ms"),
            ("p99.9", "99.9%", "ms"),
        ):
            if math.isfinite(value := _number(row.get(column))):
                yield SummaryRow(what, value, unit, group=group)


def _failures(path: Path) -> Iterator[SummaryRow]:
    for row in _rows(path) if path.exists() else ():
        what = f"{row['Name']}: {row['Error']}"
        yield SummaryRow(what, float(row["Occurrences"]), bound="= 0", met=False, group="failures")
