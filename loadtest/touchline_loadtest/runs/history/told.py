"""Reads from ``traces/`` of a run folder what clients and the operator told besides the items of rooms."""

from pathlib import Path

from touchline_loadtest.checks.actions import Acted, ActionEntry
from touchline_loadtest.checks.closes import Cause, Close, Opening

from .blocks import TraceBlock
from .reader import read_traces, trace_files


class Told:
    """All of it, over all blocks that were added."""

    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self.openings: list[Opening] = []
        self.closes: list[Close] = []
        self.acted: list[Acted] = []
        self.readers: dict[str, list[ActionEntry]] = {}

    def add(self, block: TraceBlock) -> None:
        """Add what a block has of it."""
        self.causes += block.causes
        self.openings += block.openings
        self.closes += block.closes
        self.acted += block.acted
        for reader, actions in block.handed_out.items():
            self.readers.setdefault(reader, []).extend(actions)


def read_told(folder: Path) -> Told:
    """All of it, over all files of a run.

    Raises:
        BadRun: a file cannot be read, or is damaged.
    """
    told = Told()
    for path in trace_files(folder):
        for block in read_traces(path):
            told.add(block)
    return told
