"""The names of a run folder's files, and what is wrong with a folder. Pure."""

from pathlib import Path

from touchline_protocol.errors import OperatorError

INFO = "run.json"
SAMPLES = "samples"
MARKS = "marks"
BREACHES = "breaches"
TRACES = "traces"
"""A folder: what each client saw, in files that the checker's own writer makes."""
LOG = "log"
"""A folder: what the log held, in the checker's format too."""


class BadRun(OperatorError):
    """A folder that has no run, or a run that cannot be read or written."""


class NoRun(BadRun):
    """There is no ``run.json``."""


def folder_of(path: Path) -> Path:
    """The run folder that a user means by ``path``: the folder itself, or its ``run.json``."""
    return path.parent if path.name == INFO else path


def lines_file(name: str, pid: int) -> str:
    """The file of one process: several append to a run without locks."""
    return f"{name}-{pid}.jsonl"
