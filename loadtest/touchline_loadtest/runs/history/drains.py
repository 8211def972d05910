"""Reads what clients went through while edges drained from ``traces/`` of a run folder."""

from pathlib import Path

from touchline_loadtest.checks.closes import Cause, Close, Opening
from touchline_loadtest.checks.drains import Drain, drains

from .reader import read_traces, trace_files


def read_drains(folder: Path) -> list[Drain]:
    """Each drain of a run, in order.

    Raises:
        BadRun: a file cannot be read, or is damaged.
    """
    causes: list[Cause] = []
    openings: list[Opening] = []
    closes: list[Close] = []
    for path in trace_files(folder):
        for block in read_traces(path):
            causes += block.causes
            openings += block.openings
            closes += block.closes
    return drains(causes, openings, closes)
