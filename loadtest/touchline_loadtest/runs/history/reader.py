"""Reads ``traces/`` and ``log/`` of a run folder, a block at a time."""

from collections.abc import Iterator
from pathlib import Path

from touchline_loadtest.runs.files import LOG, TRACES, BadRun

from .block_file import SUFFIX
from .blocks import Block, DamagedFile, LogBlock, TraceBlock, decode


def trace_files(folder: Path) -> list[Path]:
    """The files with what clients saw, one per process."""
    return sorted((folder / TRACES).glob(f"*{SUFFIX}"))


def log_files(folder: Path) -> list[Path]:
    """The files with what witnesses read of the log, one per process, the oldest first."""
    return sorted((folder / LOG).glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime, path))


def read_traces(path: Path) -> Iterator[TraceBlock]:
    """The blocks of one of the files.

    Raises:
        BadRun: the file cannot be read, or is damaged.
    """
    return _read(path, TraceBlock)


def read_log(path: Path) -> Iterator[LogBlock]:
    """The blocks of one of the files.

    Raises:
        BadRun: the file cannot be read, or is damaged.
    """
    return _read(path, LogBlock)


def _read(path: Path, kind: type[Block]) -> Iterator[Block]:
    try:
        with path.open("rb") as file:
            yield from decode(file, kind)
    except OSError as error:
        raise BadRun(f"cannot read {path}: {error.strerror or error}") from error
    except DamagedFile as error:
        raise BadRun(f"{path}: {error}") from error
