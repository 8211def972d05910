"""The run folder of a test: who begins it, where a process writes, and how it ends.

The main process (a master, or the only one) begins the run, unless another program has begun it. A worker writes into
the same folder if it sees that run there. If it does not, because it is on another machine, it writes into a folder of
its own, whose files the mirror sends to the master.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from touchline_loadtest.clock import now_ms
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_loadtest.runs.reader import RunReader, read_info
from touchline_loadtest.runs.records import Breach, Mark, RunInfo, Sample, Scalar, SummaryRow
from touchline_loadtest.runs.versions import SERVER, versions
from touchline_loadtest.runs.writer import RunWriter

VERSIONS = (*SERVER, "locust", "gevent")


class RunFolder:
    """A process's view of the run. ``traces`` is None in a process without users. ``shared``: others write here too."""

    def __init__(self, writer: RunWriter, traces: TraceWriter | None, *, begun: bool, shared: bool) -> None:
        self.path = writer.folder
        self.traces = traces
        self.shared = shared
        self._writer = writer
        self._begun = begun

    def record(self, samples: Sequence[Sample], breaches: Sequence[Breach]) -> None:
        """Write what was observed lately."""
        self._writer.samples(samples)
        self._writer.breaches(breaches)
        if self.traces is not None:
            self.traces.flush()

    def faults(self) -> list[Mark]:
        """What was done to the servers on purpose."""
        return [mark for mark in RunReader(self.path).marks() if mark.kind == "fault"]

    def finish(self, summary: Sequence[SummaryRow], notes: Sequence[str]) -> None:
        """End the run, if this process began it."""
        if self._begun:
            self._writer.finish(now_ms(), summary, notes)

    def close(self) -> None:
        """Write the rest, and close the files."""
        if self.traces is not None:
            self.traces.close()
        self._writer.close()
        if not self.shared:
            shutil.rmtree(self.path)


def begin_run(folder: Path, settings: dict[str, Scalar], *, users: bool) -> RunFolder:
    """Begin a run in ``folder``, or join the one that is there and has not ended.

    Raises:
        BadRun: the folder cannot be written, or has a run that has ended.
    """
    began_ms = now_ms()
    begun = not (folder / "run.json").exists()
    if begun:
        info = RunInfo("Locust", "locust", began_ms, versions=versions(VERSIONS), settings=settings)
        writer = RunWriter.create(folder, info)
    else:
        if read_info(folder).ended_ms is not None:
            raise BadRun(f"{folder} already has a run: choose another folder, or remove this one")
        writer = RunWriter.join(folder)
    return RunFolder(writer, TraceWriter(folder) if users else None, begun=begun, shared=True)


def join_run(folder: Path, began_ms: float) -> RunFolder:
    """A worker's folder: that of the run that began at ``began_ms``, or one of its own."""
    shared = _is_run(folder, began_ms)
    if not shared:
        folder = Path(tempfile.mkdtemp(prefix="touchline-loadtest-"))
        RunWriter.create(folder, RunInfo("Locust", "locust", began_ms)).close()
    return RunFolder(RunWriter.join(folder), TraceWriter(folder), begun=False, shared=shared)


def began_ms_of(folder: Path) -> float:
    """When the run in ``folder`` began, by which a worker knows it."""
    return read_info(folder).began_ms


def _is_run(folder: Path, began_ms: float) -> bool:
    try:
        return read_info(folder).began_ms == began_ms
    except BadRun:
        return False
