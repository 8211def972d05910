"""Appends blocks to a file of its process's own, in a folder that several processes write to."""

import itertools
import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from touchline_loadtest.runs.files import BadRun

from .blocks import MAGIC, LogBlock, TraceBlock, encode

SUFFIX = ".blocks"

ADDITIONS_MAX = 8_192
"""Additions to one block: some 300 KB, which take a few milliseconds to write."""

AGE_S_MAX = 1.0
"""How old an addition may be when it is written, if others follow it."""


class BlockWriter(ABC):
    """Writes blocks to a new file in ``folder``, which is created. Also a context manager.

    Whatever is added is written by the next addition that comes a second later, by `flush`, or by `close`. All methods
    raise `BadRun` if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = _create(folder)
            self._file.write(MAGIC)
        except OSError as error:
            raise BadRun(f"cannot write to {folder}: {error.strerror or error}") from error
        self._additions = 0
        self._flushed_s = time.monotonic()

    def flush(self) -> None:
        """Write what was added. It is in the file when the call returns."""
        self._additions = 0
        self._flushed_s = time.monotonic()
        try:
            self._file.write(encode(self._take_block()))
            self._file.flush()
        except OSError as error:
            raise BadRun(f"cannot write {self._file.name}: {error.strerror or error}") from error

    def close(self) -> None:
        """Write what was added, and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _take_block(self) -> TraceBlock | LogBlock:
        """What was added since the last call."""

    def _count(self) -> None:
        """Call this after each addition."""
        self._additions += 1
        if self._additions >= ADDITIONS_MAX or time.monotonic() > self._flushed_s + AGE_S_MAX:
            self.flush()


def _create(folder: Path) -> BinaryIO:
    """A process may write several files, and process ids come again."""
    for number in itertools.count():
        try:
            return (folder / f"{os.getpid()}-{number}{SUFFIX}").open("xb")
        except FileExistsError:
            continue
    raise AssertionError
