"""The setting ``workers``: how many processes serve the clients of one edge."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

WORKERS_MAX = 256
"""More than any machine has use for: each worker reads all feeds, and holds a window of its own."""


def _number_or_auto(value: object) -> object:
    if isinstance(value, str) and value != "auto":
        try:
            return int(value)
        except ValueError:
            raise ValueError('must be a whole number, or "auto"') from None
    return value


Workers: TypeAlias = Annotated[
    Annotated[int, Field(ge=1, le=WORKERS_MAX)] | Literal["auto"], BeforeValidator(_number_or_auto)
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
