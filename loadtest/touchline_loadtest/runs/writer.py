"""Writes a run folder, from any number of processes.

The process that begins the run calls `RunWriter.create` and, at the end, `finish`; the others call `RunWriter.join`.
Each process appends to files of its own. A line is in the file when the call returns, so a run that was killed can be
read up to its last moment. A writer may be used after a fork, and from several threads.
"""

import contextlib
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from .files import BREACHES, INFO, MARKS, SAMPLES, BadRun, lines_file
from .reader import read_info
from .records import Breach, Mark, RunInfo, Sample, SummaryRow


class RunWriter:
    """Appends to a run folder. Its methods raise `BadRun` if the folder cannot be written.

    Also a context manager, which closes the files and leaves the run as it is.
    """

    def __init__(self, folder: Path) -> None:
        """Use `create` or `join`."""
        self.folder = folder
        self._encoder = msgspec.json.Encoder()
        self._descriptors: dict[tuple[str, int], int] = {}

    @classmethod
    def create(cls, folder: Path, info: RunInfo) -> Self:
        """Begin a run in ``folder``, which need not exist yet.

        Raises:
            BadRun: there is something in the folder already, or it cannot be written.
        """
        check_new(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / INFO).open("xb") as file:
                file.write(_document(info))
        except FileExistsError:
            raise _taken(folder) from None
        except OSError as error:
            raise _cannot_write(folder, error) from error
        return cls(folder)

    @classmethod
    def join(cls, folder: Path) -> Self:
        """Write to the run that another process began.

        Raises:
            BadRun: there is no run in ``folder``.
        """
        read_info(folder)
        return cls(folder)

    def samples(self, samples: Iterable[Sample]) -> None:
        """Add samples. Those that are not finite are left out: a window without observations has no percentile."""
        self._append(SAMPLES, [sample for sample in samples if math.isfinite(sample.value)])

    def mark(self, mark: Mark) -> None:
        """Add a phase or a fault."""
        self._append(MARKS, [mark])

    def breaches(self, breaches: Iterable[Breach]) -> None:
        """Add what the checker found."""
        self._append(BREACHES, list(breaches))

    def finish(self, ended_ms: float, summary: Sequence[SummaryRow], notes: Sequence[str] = ()) -> None:
        """Record the end of the run, and its result. ``notes`` are added to those of the beginning."""
        info = read_info(self.folder)
        info = msgspec.structs.replace(info, ended_ms=ended_ms, summary=summary, notes=[*info.notes, *notes])
        draft = self.folder / f"{INFO}.{os.getpid()}"
        try:
            draft.write_bytes(_document(info))
            draft.replace(self.folder / INFO)
        except OSError as error:
            raise _cannot_write(self.folder, error) from error

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._descriptors.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._descriptors.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, name: str, records: Sequence[msgspec.Struct]) -> None:
        if not records:
            return
        lines = self._encoder.encode_lines(records)
        try:
            # One unbuffered write: a reader, or another thread, never sees half a line, unless the disk is full.
            written = os.write(self._descriptor(name), lines)
        except OSError as error:
            raise _cannot_write(self.folder, error) from error
        if written < len(lines):
            raise BadRun(f"cannot write to {self.folder}: the disk is full")

    def _descriptor(self, name: str) -> int:
        """The process's own file. The key has the process id, because a fork copies this object."""
        pid = os.getpid()
        if (name, pid) not in self._descriptors:
            path = self.folder / lines_file(name, pid)
            self._descriptors[name, pid] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        return self._descriptors[name, pid]


def check_new(folder: Path) -> None:
    """Make sure that a run can begin in ``folder``: what is left of another one would count as this one's.

    Raises:
        BadRun: there is something in the folder already, or it cannot be read.
    """
    try:
        if folder.exists() and next(folder.iterdir(), None) is not None:
            raise _taken(folder)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _taken(folder: Path) -> BadRun:
    return BadRun(f"{folder} is not empty: a run needs a new folder, so choose another one, or remove this one")


def _document(info: RunInfo) -> bytes:
    return msgspec.json.format(msgspec.json.encode(info)) + b"\n"


def _cannot_write(folder: Path, error: OSError) -> BadRun:
    return BadRun(f"cannot write to {folder}: {error.strerror or error}")
