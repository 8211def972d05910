"""Reads a run folder, also while the run is going on, and after it was killed."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from .files import BREACHES, INFO, MARKS, SAMPLES, BadRun, NoRun
from .records import FORMAT, Breach, Mark, RunInfo, Sample

Record = TypeVar("Record", Sample, Mark, Breach)


class _Version(msgspec.Struct):
    format: int = FORMAT


class RunReader:
    """A run folder. The records of all processes come in the order of time.

    Creating it, and each of its methods, raises `BadRun` if there is no run, or naming the file and the line that is
    wrong. The last line of a file may be torn: its writer was killed, or is writing it now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info = read_info(folder)

    def samples(self) -> list[Sample]:
        """All samples."""
        return sorted(itertools.chain(*self.samples_by_writer()), key=lambda sample: sample.at_ms)

    def samples_by_writer(self) -> list[list[Sample]]:
        """The samples of each process that wrote some, in its order."""
        return list(self._files(SAMPLES, Sample))

    def marks(self) -> list[Mark]:
        """Phases and faults."""
        return sorted(itertools.chain(*self._files(MARKS, Mark)), key=lambda mark: mark.at_ms)

    def breaches(self) -> list[Breach]:
        """What the checker found; those without a time come first."""
        return sorted(itertools.chain(*self._files(BREACHES, Breach)), key=lambda breach: breach.at_ms or 0.0)

    def _files(self, name: str, kind: type[Record]) -> Iterator[list[Record]]:
        decoder = msgspec.json.Decoder(kind)
        for path in sorted({*self.folder.glob(f"{name}.jsonl"), *self.folder.glob(f"{name}-*.jsonl")}):
            yield list(_lines(path, decoder))


def read_info(folder: Path) -> RunInfo:
    """Read ``run.json``.

    Raises:
        NoRun: there is none.
        BadRun: it cannot be read, or has another format.
    """
    path = folder / INFO
    try:
        document = path.read_bytes()
        version = msgspec.json.decode(document, type=_Version).format
        if version != FORMAT:
            raise BadRun(f"{path} has format {version}, but this version of Touchline reads format {FORMAT}")
        return msgspec.json.decode(document, type=RunInfo)
    except FileNotFoundError:
        what = f"it has no {INFO}" if folder.is_dir() else "there is no such folder"
        raise NoRun(f"{folder} has no run: {what}") from None
    except NotADirectoryError:
        raise NoRun(f"{folder} has no run: it is not a folder") from None
    except OSError as error:
        raise _cannot_read(path, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRun(f"{path}: {error}") from error


def _lines(path: Path, decoder: msgspec.json.Decoder[Record]) -> Iterator[Record]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    if not line.endswith(b"\n"):
                        return
                    raise BadRun(f"{path}, line {number}: {error}") from error
    except OSError as error:
        raise _cannot_read(path, error) from error


def _cannot_read(path: Path, error: OSError) -> BadRun:
    return BadRun(f"cannot read {path}: {error.strerror or error}")
