"""Options that are numbers: each has a least and a greatest value, and nan, inf and reversed ranges are errors.

An option without a greatest value is a run that never ends, or never begins. The bounds are far beyond what one machine
can do, so that they refuse slips of the keyboard and nothing else.
"""

import math
from typing import Any

import typer

SECONDS_MAX = 86_400.0
"""A day."""
CLIENTS_MAX = 1_000_000
"""Connections; a machine has 65,535 ports for each address."""
ROOMS_MAX = 1_000_000
RATE_HZ_MAX = 100_000.0
"""Events per second in a room."""
PROCESSES_MAX = 64
RUNS_MAX = 1_000
SPEED_MAX = 1_000_000.0
"""A match in 6 ms."""


def number(help_text: str, least: float, most: float, *names: str, **settings: Any) -> Any:
    """An option from ``least`` to ``most``; ``names`` are given where they do not follow from the parameter."""
    return typer.Option(*names, min=least, max=most, callback=_finite, help=help_text, **settings)


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):  # nan is within every range
        raise typer.BadParameter(f"{value} is not a number that this can be")
    return value
