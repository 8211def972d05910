"""The names of a run folder's files, and what is wrong with a folder. Pure."""

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


def lines_file(name: str, pid: int) -> str:
    """The file of one process: several append to a run without locks."""
    return f"{name}-{pid}.jsonl"
