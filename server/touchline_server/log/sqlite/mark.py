"""The mark beside the embedded log's file: tells whether the file is still the one that this server acknowledged from.

A copy, an older snapshot or a file without its write-ahead log is a valid database. But its offsets may get other
records than those that clients have seen, so its topics must get a new epoch. Only something outside of the file can
tell, and it must be current even if the process is killed: the mark is overwritten after each commit, before the
records are acknowledged.

Rules:

1. The file holds at least what its mark says. The other way round, acknowledged records are missing.
2. The mark is synced when it is created, and then left to the operating system: it survives the process. After a power
   cut an older mark may come back, which asks less of the file.
3. A mark is valid only as the very file that this server created, so a restored folder does not vouch for itself.
   Device numbers are not part of that: on some file systems they change with each mount.
"""

import contextlib
import fcntl
import os
from pathlib import Path

import msgspec

from touchline_protocol.errors import OperatorError
from touchline_protocol.printable import counted

SUFFIX = "-mark"
SIZE_BYTES = 256
"""Fixed and less than a sector, so that it is always overwritten as a whole."""
_GET_GENERATION = 0x80087601
"""FS_IOC_GETVERSION of Linux: a number that ext4, XFS and Btrfs give each new file, as inode numbers are reused."""
_LONG_BYTES = 8


class _Mark(msgspec.Struct, frozen=True):
    """What a mark says. ``records`` is the number of records ever appended, ``closed`` whether the file was closed in
    order and without damage."""

    log: str
    inode: int
    mark: str
    records: int
    closed: bool


class Mark:
    """The mark of the log in the file ``path``. A log in memory, with None, has none: these calls do nothing.

    ``problem`` describes why the mark could not be overwritten, for an operator. That weakens the next start's check,
    but endangers no record.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the mark, or create an empty one. The caller must have the log's file open, for itself alone.

        Raises:
            OperatorError: that is not possible.
        """
        self.problem: str | None = None
        self._descriptor: int | None = None
        self._log = ""
        self._records = 0
        self._found: _Mark | str = ""
        """What the mark said when it was opened, or why it says nothing."""
        if path is None:
            return
        self._path = _mark_of(path)
        self._inode = path.stat().st_ino
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise OperatorError(f"the log's mark {self._path} cannot be opened: {error.strerror or error}") from error
        self._itself = _identity(self._descriptor)
        self._found = self._read(self._descriptor)

    @property
    def vouches(self) -> bool:
        """Whether the file was closed in order when it was last open here. Always true for a log in memory."""
        found = self._found
        return self._descriptor is None or (
            isinstance(found, _Mark) and found.closed and (found.inode, found.mark) == (self._inode, self._itself)
        )

    def mismatch(self, log: str, records: int) -> str | None:
        """Why the file is not the one that was marked, described for an operator; None if it is.

        ``log`` identifies the log that the file holds, and ``records`` is the number of records ever appended to it.
        """
        mark = self._found
        if self._descriptor is None:
            return None
        if isinstance(mark, str):
            return mark
        if mark.mark != self._itself:
            return f"was copied or restored together with its mark {self._path.name}"
        if mark.log != log or mark.inode != self._inode:
            return "is not the file that was open here last"
        if mark.records > records:
            return f"lacks {mark.records - records} of {counted(mark.records, 'acknowledged record')}"
        return None

    def create(self, log: str, records: int) -> None:
        """Mark the file, durably.

        Raises:
            OperatorError: the mark cannot be written.
        """
        if self._descriptor is None:
            return
        self._log = log
        try:
            self._write(records)
            os.fsync(self._descriptor)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise OperatorError(f"the log's mark {self._path} cannot be written: {error.strerror or error}") from error

    def advance(self, records: int) -> None:
        """Note the number of records that the file holds, before they are acknowledged."""
        if self._descriptor is None:
            return
        try:
            self._write(records)
        except OSError as error:
            self.problem = f"the log's mark {self._path} cannot be written: {error.strerror or error}"
        else:
            self.problem = None

    def close(self, *, sound: bool) -> None:
        """Note that the log's file was closed in order, if it is ``sound``, and close the mark. May be called twice."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):  # the next start then verifies the file
            if sound:
                self._write(self._records, closed=True)
        os.close(self._descriptor)
        self._descriptor = None

    def _read(self, descriptor: int) -> _Mark | str:
        content = os.pread(descriptor, SIZE_BYTES, 0)
        if not content:
            return f"has no mark {self._path.name} beside it, so it may be a copy"
        try:
            return msgspec.json.decode(content, type=_Mark)
        except msgspec.DecodeError:
            return f"has an unreadable mark {self._path.name}"

    def _write(self, records: int, *, closed: bool = False) -> None:
        assert self._descriptor is not None  # noqa: S101 - checked by the callers
        self._records = records
        content = msgspec.json.encode(_Mark(self._log, self._inode, self._itself, records, closed))
        os.pwrite(self._descriptor, content.ljust(SIZE_BYTES - 1) + b"\n", 0)


def is_marked(path: Path | None) -> bool:
    """Whether the file ``path`` is, or was, an embedded log, even if nothing in it can be read."""
    return path is not None and _mark_of(path).exists()


def _mark_of(path: Path) -> Path:
    file = path.resolve()  # as SQLite does for its write-ahead log
    return file.with_name(file.name + SUFFIX)


def _identity(descriptor: int) -> str:
    try:
        generation = fcntl.ioctl(descriptor, _GET_GENERATION, bytes(_LONG_BYTES))
    except OSError:  # this file system has none
        generation = b""
    return f"{os.fstat(descriptor).st_ino}-{generation.hex()}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
