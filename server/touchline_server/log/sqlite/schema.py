"""The file of the embedded log: its tables, how it is opened, and what SQLite's errors mean for an operator.

Rules: the file belongs to one process while it is open; committed data is on the disk (``synchronous=FULL``); a file
that is not ours is never written to.
"""

import sqlite3
from pathlib import Path

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import data_folder

APPLICATION_ID = 0x544C4F47
"""``TLOG``, in the header of each of our files, where ``file(1)`` and this module recognise it."""
VERSION = 1
"""The version of the tables, also in the header."""

TABLES = """
CREATE TABLE topics (name TEXT PRIMARY KEY, epoch TEXT NOT NULL);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL REFERENCES topics,
    number INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    UNIQUE (topic, number)
);
-- prev is the room's previous offset, or -1 if this is its first; null if the record cannot become an event.
-- The value comes last, so that queries without it do not read the pages that it fills.
CREATE TABLE records (
    partition_id INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    prev INTEGER,
    key BLOB,
    headers BLOB,
    value BLOB,
    PRIMARY KEY (partition_id, offset)
);
CREATE INDEX records_by_time ON records (partition_id, timestamp, offset);
-- Rooms and their state outlive the records that they come from.
CREATE TABLE rooms (
    partition_id INTEGER NOT NULL,
    room_id TEXT NOT NULL,
    head INTEGER NOT NULL,
    PRIMARY KEY (partition_id, room_id)
) WITHOUT ROWID;
CREATE TABLE state (
    partition_id INTEGER NOT NULL,
    room_id TEXT NOT NULL,
    event_key TEXT NOT NULL,
    offset INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    headers BLOB,
    value BLOB NOT NULL,
    PRIMARY KEY (partition_id, room_id, event_key)
);
"""


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the file for this process alone, or memory if ``path`` is None, and create what is missing.

    The caller begins and ends transactions.

    Raises:
        OperatorError: the file cannot be opened, belongs to another program, or is open in another process.
    """
    if path is not None:
        _look_for_folder(path.parent)
    try:
        connection = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise cannot_open(path, error) from error
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise cannot_open(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _look_for_folder(folder: Path) -> None:
    """Create our own data folder. Any other missing folder is probably misspelt, or its disk is not mounted."""
    if folder == data_folder():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(
                f"the folder of the log, {folder}, cannot be created: {error.strerror or error}"
            ) from error
    elif not folder.is_dir():
        raise OperatorError(f"the folder of the log, {folder}, does not exist: create it, or name another file in log")


def _prepare(connection: sqlite3.Connection, path: Path | None) -> None:
    # Before the first access, so that it takes the lock and keeps it: a second process is refused.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if found != APPLICATION_ID and (found or tables):
        raise OperatorError(
            f"{path} is a database of another program: name another file in log, such as sqlite:///absolute/path"
        )
    if tables and version != VERSION:
        raise OperatorError(
            f"{path} was written by another version of Touchline (its tables have version {version}, "
            f"this one needs {VERSION}): use that version, or name another file in log"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if not tables:
        connection.executescript(
            f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT"
        )
    # Writes a page even if nothing changes, so that a file that cannot be written to is noticed here.
    connection.execute(f"PRAGMA user_version = {VERSION}")


class FileLost(OperatorError):
    """The open file is no longer at its path: anything written to it is lost when the process ends."""


class OpenedFiles:
    """Checks that the files of an open log are still at their paths: SQLite keeps writing to a deleted file.

    Create this once the log is open: then its write-ahead log exists too, and stays until the log is closed.
    """

    def __init__(self, path: Path | None) -> None:
        paths = [] if path is None else [path.absolute(), path.absolute().with_name(path.name + "-wal")]
        self._found = {path: found for path in paths if (found := _identity(path)) is not None}

    def check(self) -> None:
        """Check that the files are the same.

        Raises:
            FileLost: a file was deleted or replaced.
        """
        for path, found in self._found.items():
            if _identity(path) != found:
                raise FileLost(f"the file {path} was deleted or replaced while it was open: restart touchline")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileLost(f"the file {path} cannot be examined: {error.strerror or error}") from error
    return found.st_dev, found.st_ino


def cannot_open(path: Path | None, error: sqlite3.Error) -> OperatorError:
    """The error for a log that SQLite could not open or read."""
    code = primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return OperatorError(
            f"another process has the log {path} open: publish and ask through that running server, or stop it first"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return OperatorError(
            f"{path} is not an SQLite database: name another file in log, such as sqlite:///absolute/path"
        )
    return OperatorError(f"the log {path} cannot be opened: {in_words(error)}")


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its details; 0 if the error does not come from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def in_words(error: BaseException) -> str:
    """What went wrong, and what an operator can do about it."""
    code = primary_code(error) if isinstance(error, sqlite3.Error) else 0
    return {
        sqlite3.SQLITE_FULL: "the disk is full, make room on it",
        sqlite3.SQLITE_IOERR: f"the disk does not work ({error})",
        sqlite3.SQLITE_READONLY: "it cannot be written to, check the permissions of the file and its folder",
        sqlite3.SQLITE_CANTOPEN: "no file can be opened or made there, check the path and the folder's permissions",
        sqlite3.SQLITE_PERM: "the permission is missing, check those of the file and its folder",
        sqlite3.SQLITE_CORRUPT: "the file is damaged, restore it from a copy or start with a new one",
    }.get(code, str(error) or type(error).__name__)
