"""What a run folder holds, one struct per line of its files. Pure.

All times are Unix milliseconds. The files are JSON, so programs in other languages can write a run too; the names of
the fields are the names in the files. Unknown fields are errors, so that a misspelt one is noticed.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from touchline_loadtest.checks.breach import Breach

__all__ = ["FORMAT", "Breach", "Mark", "RunInfo", "Sample", "Scalar", "SummaryRow"]

FORMAT = 1
"""The version of the folder's format. A reader refuses others."""

Scalar: TypeAlias = str | int | float | bool | None


class SummaryRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number of a run's result, such as ``p99`` of 23.7 ``ms``, bound ``<= 50``, met.

    ``group`` is the scenario, peer or user class that it belongs to; rows of one group are shown together. ``bound`` is
    empty and ``met`` is None for a number that nothing is required of. ``measured`` is a text where there is no number,
    such as ``not installed``.
    """

    what: str
    measured: float | str
    unit: str = ""
    bound: str = ""
    met: bool | None = None
    group: str = ""


class RunInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ran, on what, and with which result: ``run.json``.

    ``name`` is the title for people, ``kind`` the program, such as ``locust``, ``swarm``, ``bench`` or ``peers``.
    ``ended_ms`` is None while it runs, and stays None if it was killed. ``versions`` maps software to its version,
    ``machine`` has facts such as the CPU, ``settings`` what the run was asked to do, ``notes`` what a reader needs to
    judge the numbers.
    """

    name: str
    kind: str
    began_ms: float
    ended_ms: float | None = None
    versions: Mapping[str, str] = {}
    machine: Mapping[str, Scalar] = {}
    settings: Mapping[str, Scalar] = {}
    summary: Sequence[SummaryRow] = ()
    notes: Sequence[str] = ()
    format: int = FORMAT


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One point of a series. `touchline_loadtest.runs.series` lists the usual series, their units and labels."""

    at_ms: float
    series: str
    value: float
    unit: str = ""
    labels: Mapping[str, str] = {}


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A phase of the run or a fault, from ``at_ms`` to ``end_ms``.

    Without an ``end_ms`` a phase lasts until the next phase, or the end of the run, and a fault is a moment, such as
    the kill of a process.
    """

    at_ms: float
    text: str
    kind: Literal["phase", "fault"] = "phase"
    end_ms: float | None = None
