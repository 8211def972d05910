"""A run's summary as tables: groups with the same numbers share one, the others are a list. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from touchline_loadtest.runs.records import RunInfo, SummaryRow

from .of_results import PEERS

Column: TypeAlias = tuple[str, str]
"""What a number is, and its unit."""

SHARED_MIN = 2
"""Numbers that groups need to have in common, to stand below each other."""


class Results(NamedTuple):
    """``listed`` is the rows of each group that has a line for each number.

    ``compared`` has a line for each group, with its numbers below ``columns``, or a text where it has none.
    """

    listed: Mapping[str, Sequence[SummaryRow]]
    columns: Sequence[Column]
    compared: Mapping[str, Sequence[SummaryRow]]


def results(info: RunInfo) -> Results:
    """The tables of a summary. A group with a bound is listed, because bounds need room; among peers no group is."""
    groups: dict[str, list[SummaryRow]] = {}
    for row in info.summary:
        groups.setdefault(row.group, []).append(row)
    compared = groups if info.kind == PEERS else _alike(groups)
    listed = {name: rows for name, rows in groups.items() if name not in compared}
    columns = [(row.what, row.unit) for rows in compared.values() for row in rows if not isinstance(row.measured, str)]
    return Results(listed, list(dict.fromkeys(columns)), compared)


def _alike(groups: Mapping[str, Sequence[SummaryRow]]) -> dict[str, Sequence[SummaryRow]]:
    """The named groups without bounds that have numbers in common with another of them."""
    free = {name: rows for name, rows in groups.items() if name and not any(row.bound or row.met for row in rows)}
    columns = {name: {(row.what, row.unit) for row in rows} for name, rows in free.items()}
    return {
        name: free[name]
        for name, own in columns.items()
        if any(len(own & others) >= SHARED_MIN for other, others in columns.items() if other != name)
    }
