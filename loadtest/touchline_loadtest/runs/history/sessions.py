"""Reads from ``traces/`` of a run folder how many action sessions went on at another edge."""

from pathlib import Path

from touchline_loadtest.checks.actions import Acted
from touchline_loadtest.checks.closes import Opening
from touchline_loadtest.checks.sessions import sessions_that_moved

from .reader import read_traces, trace_files


def count_moved_sessions(folder: Path) -> int:
    """The number of sessions that went on at another edge.

    Raises:
        BadRun: a file cannot be read, or is damaged.
    """
    acted: list[Acted] = []
    openings: list[Opening] = []
    for path in trace_files(folder):
        for block in read_traces(path):
            acted += block.acted
            openings += block.openings
    return sessions_that_moved(acted, openings)
