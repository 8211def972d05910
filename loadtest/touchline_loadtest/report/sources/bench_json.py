"""The file that ``bench --json`` writes. It has results and no samples."""

import calendar
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from touchline_loadtest.measure.results import Result, summary
from touchline_loadtest.report.run import Run
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.records import RunInfo, Scalar

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class _Document(msgspec.Struct):
    """What `touchline_loadtest.measure.results.write_json` writes."""

    touchline: str
    time: str
    machine: Mapping[str, Scalar]
    server_python: str
    pinned: bool
    results: list[Result]


def load(path: Path) -> Run:
    """Read the file.

    Raises:
        BadRun: it cannot be read, or is another file.
    """
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_Document)
        began_ms = calendar.timegm(time.strptime(document.time, TIME_FORMAT)) * 1000.0
    except OSError as error:
        raise BadRun(f"cannot read {path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise BadRun(f"{path} is neither a run folder nor the JSON of the command bench: {error}") from error
    rows, notes = summary(document.results)
    info = RunInfo(
        name="Touchline's benchmarks",
        kind="bench",
        began_ms=began_ms,
        ended_ms=began_ms,
        versions={"touchline": document.touchline},
        machine=document.machine,
        settings={"server_python": document.server_python, "a core each for server and clients": document.pinned},
        summary=rows,
        notes=notes,
    )
    return Run(info)
