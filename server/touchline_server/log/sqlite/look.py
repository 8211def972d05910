"""Looks into the file of an embedded log without changing anything: neither the file, nor what lies beside it.

Even a read-only connection makes SQLite create files for its write-ahead log, and a `Store` creates topics and marks
the file as its own. So commands that only look open the file here.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from .schema import cannot_open, check_version

_WAL, _SHARED_MEMORY = "-wal", "-shm"
_TEMPORARY = ""
"""SQLite's name for a private database, on disk if it is large, that is deleted when it is closed."""


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads the file.

    Without a write-ahead log no process has the file open, so SQLite need not lock it (``immutable``), which would
    leave files behind. With one, its index in shared memory is all that SQLite creates, and no server uses that.
    """
    file = path.resolve()  # as SQLite does for the files beside it
    has_wal = file.with_name(file.name + _WAL).exists()
    shared_memory = file.with_name(file.name + _SHARED_MEMORY)
    is_ours = has_wal and not shared_memory.exists()
    uri = f"file:{quote(str(file))}?mode=ro{'' if has_wal else '&immutable=1'}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection:
            yield connection
    finally:
        if is_ours:
            shared_memory.unlink(missing_ok=True)


def partition_counts(path: Path) -> Mapping[str, int]:
    """The topics of a log, and how many partitions each has.

    Raises:
        OperatorError: the file is not a log, is damaged, or is open in another process.
    """
    try:
        with read_only(path) as connection:
            check_version(connection, path)
            return dict(connection.execute("SELECT topic, count(*) FROM partitions GROUP BY topic"))
    except sqlite3.Error as error:
        raise cannot_open(path, error) from error


def copy_of(path: Path) -> sqlite3.Connection:
    """A private copy of a log, which may be changed at will and goes when the connection is closed.

    Raises:
        OperatorError: the file cannot be read, or there is no room for the copy.
    """
    copy = sqlite3.connect(_TEMPORARY, isolation_level=None)
    try:
        with read_only(path) as connection:
            check_version(connection, path)  # fails at once if the file is locked: `backup` would wait for ever
            connection.backup(copy)
    except sqlite3.Error as error:
        copy.close()
        raise cannot_open(path, error) from error
    return copy
