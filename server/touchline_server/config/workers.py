"""The setting ``workers``: how many processes serve the clients of one edge."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .values import or_auto

WORKERS_MAX = 256
"""More than any machine has use for: each worker reads all feeds, and holds a window of its own."""


Workers: TypeAlias = Annotated[
    Annotated[int, Field(ge=1, le=WORKERS_MAX)] | Literal["auto"], or_auto(int, "a whole number")
]
"""A number, or ``auto``: as many as there are CPUs that this process may use."""


def is_embedded(log: str) -> bool:
    """Whether the address of a log names an embedded one, which belongs to one process. An empty address does too."""
    return not log.startswith("kafka:")


def worker_count(workers: Workers, log: str, cpus: int) -> int:
    """The number of workers by the settings ``workers`` and ``log``, with this many CPUs."""
    if workers != "auto":
        return workers
    return 1 if is_embedded(log) else min(cpus, WORKERS_MAX)
