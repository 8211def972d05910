"""Reads ``traces/`` and ``log/`` of a run folder, a block at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from touchline_loadtest.runs.files import LOG, TRACES, BadRun

from .block_file import SUFFIX
from .blocks import Block, DamagedFile, LogBlock, TraceBlock, decode

OnCut: TypeAlias = Callable[[Path, int], None]
"""Receives a file that ends in the middle of a block, and the place of that block."""


def ignore_cut(path: Path, place: int) -> None:
    """Take a file as far as it goes."""


def trace_files(folder: Path) -> list[Path]:
    """The files with what clients saw, one per process."""
    return sorted((folder / TRACES).glob(f"*{SUFFIX}"))


def log_files(folder: Path) -> list[Path]:
    """The files with what witnesses read of the log, one per process, the oldest first."""
    return sorted((folder / LOG).glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime, path))


def read_traces(path: Path, on_cut: OnCut = ignore_cut) -> Iterator[TraceBlock]:
    """The blocks of one of the files.

    Raises:
        BadRun: the file cannot be read, or is damaged.
    """
    return _read(path, TraceBlock, on_cut)


def read_log(path: Path, on_cut: OnCut = ignore_cut) -> Iterator[LogBlock]:
    """The blocks of one of the files.

    Raises:
        BadRun: the file cannot be read, or is damaged.
    """
    return _read(path, LogBlock, on_cut)


def _read(path: Path, kind: type[Block], on_cut: OnCut) -> Iterator[Block]:
    try:
        with path.open("rb") as file:
            cut = yield from decode(file, kind)
    except OSError as error:
        raise BadRun(f"cannot read {path}: {error.strerror or error}") from error
    except DamagedFile as error:
        raise BadRun(f"{path}: {error}") from error
    if cut is not None:
        on_cut(path, cut)
