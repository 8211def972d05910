"""Watches the files of an open log from outside. SQLite notices little: it writes on into a deleted file, and does
not miss what was cut off until it reads there."""

from pathlib import Path
from typing import NamedTuple

from touchline_protocol.errors import OperatorError


class FileFault(OperatorError):
    """The file cannot be appended to, whatever SQLite says."""


class FileLost(FileFault):
    """The path no longer leads to the open file: whatever is written to it is lost when the process ends."""


class FileDamaged(FileFault):
    """The file does not hold everything that was written to it. It stays so until the log is opened again."""


class _Status(NamedTuple):
    device: int
    inode: int
    size_bytes: int


class FileGuard:
    """Checks that the files of an open log are still at their paths, and as long as they were.

    Create it while the log is open: its write-ahead log exists then too, and stays until the log is closed. Neither
    file ever gets shorter meanwhile (`schema` sees to it).
    """

    def __init__(self, path: Path | None) -> None:
        paths = [] if path is None else [path.absolute(), path.resolve().with_name(path.resolve().name + "-wal")]
        self._known = {path: status for path in paths if (status := _status(path)) is not None}

    def check(self) -> None:
        """Compare the files with what is known of them.

        Raises:
            FileLost: one was deleted or replaced.
            FileDamaged: one is shorter than it was.
        """
        for path, known in self._known.items():
            status = _status(path)
            if status is None or status[:2] != known[:2]:
                raise FileLost(f"the file {path} was deleted or replaced while it was open: restart touchline")
            if status.size_bytes < known.size_bytes:
                cut = f"{path} was cut from {known.size_bytes} to {status.size_bytes} bytes"
                raise FileDamaged(describe_damage(cut))
            self._known[path] = status


def describe_damage(finding: str) -> str:
    """What an operator should know of a damaged file."""
    return (
        f"the file is damaged ({finding}): stop touchline, then save what can be read: see touchline salvage --help, "
        "or restore a backup"
    )


def _status(path: Path) -> _Status | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileLost(f"the file {path} cannot be examined: {error.strerror or error}") from error
    return _Status(status.st_dev, status.st_ino, status.st_size)
