"""The file of the embedded log: its tables, how it is opened, and what SQLite's errors mean to an operator.

Rules: the file belongs to one process while it is open; what is committed is on the disk (``synchronous=FULL``); a file
that is not ours is never written to.
"""

import sqlite3
from pathlib import Path

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import data_folder

APPLICATION_ID = 0x544C4F47
"""``TLOG``, in the header of each of our files, where ``file(1)`` and we look whose it is."""
VERSION = 1
"""Of the tables, in the header too."""

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
-- prev is the room's offset before this one, -1 if it is the room's first; null if no event can be made of the record.
-- The value comes last: whoever does not ask for it does not read the pages that it fills.
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
    """Open the file for this process alone, or memory where ``path`` is None; make what is missing.

    Transactions are begun and ended by hand.

    Raises:
        OperatorError: it cannot be opened, belongs to another program, or another process has it open.
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
    """Make our own data folder. Any other that is missing is more likely misspelt, or a disk that is not mounted."""
    if folder == data_folder():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(
                f"the folder of the log, {folder}, cannot be made: {error.strerror or error}"
            ) from error
    elif not folder.is_dir():
        raise OperatorError(f"the folder of the log, {folder}, is not there: create it, or name another file in log")


def _prepare(connection: sqlite3.Connection, path: Path | None) -> None:
    # Before the first access, so that the lock is taken with it, and kept: whoever comes second is refused.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if found != APPLICATION_ID and (found or tables):
        raise OperatorError(
            f"{path} is a database of another program: name another file in log, as sqlite:///absolute/path"
        )
    if tables and version != VERSION:
        raise OperatorError(
            f"{path} was written by another version of Touchline (its tables are of version {version}, "
            f"here it is {VERSION}): use that version, or name another file in log"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if not tables:
        connection.executescript(
            f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT"
        )
    # Writes a page even where nothing changes: so a file that cannot be written to is found out here.
    connection.execute(f"PRAGMA user_version = {VERSION}")


class FileLost(OperatorError):
    """The open file is no longer what is found at its path: what is written to it is gone with the process."""


class OpenedFiles:
    """Tells whether the files of an open log are still at their paths: SQLite writes on to one that was deleted.

    To be made when the log is open: then its write-ahead log is there too, and stays until it is closed.
    """

    def __init__(self, path: Path | None) -> None:
        paths = [] if path is None else [path.absolute(), path.absolute().with_name(path.name + "-wal")]
        self._found = {path: found for path in paths if (found := _identity(path)) is not None}

    def check(self) -> None:
        """Look whether they are the same.

        Raises:
            FileLost: one was deleted or replaced.
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
        raise FileLost(f"the file {path} cannot be looked at: {error.strerror or error}") from error
    return found.st_dev, found.st_ino


def cannot_open(path: Path | None, error: sqlite3.Error) -> OperatorError:
    """The error for a log that SQLite could not open or read."""
    code = primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return OperatorError(
            f"another process has the log {path} open: publish and ask through that running server, or stop it first"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return OperatorError(f"{path} is no SQLite database: name another file in log, as sqlite:///absolute/path")
    return OperatorError(f"the log {path} cannot be opened: {in_words(error)}")


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its details; 0 if the error is none of SQLite's."""
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
