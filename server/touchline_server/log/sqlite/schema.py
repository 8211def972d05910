"""The file of the embedded log: its tables, how it is opened, and what SQLite's errors mean to an operator.

Rules: only one process has the file open at a time. A committed transaction is on disk (``synchronous=FULL``). A file
that belongs to another program is never written to.
"""

import sqlite3
from pathlib import Path

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import data_folder

from .file_guard import FileDamaged, FileFault, describe_damage
from .mark import is_marked

APPLICATION_ID = 0x544C4F47
"""``TLOG``: marks our files in their header, for `connect` and for ``file(1)``."""
VERSION = 2
"""The version of the tables, also kept in the header."""

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
-- crc is the checksum of the record; null if version 1 of these tables wrote it.
-- prev is the offset of the room's previous event, -1 for its first one; null if the record is not a valid event.
-- The value comes last, so that a query without it does not read the pages that it fills.
CREATE TABLE records (
    partition_id INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    prev INTEGER,
    crc INTEGER,
    key BLOB,
    headers BLOB,
    value BLOB,
    PRIMARY KEY (partition_id, offset)
);
CREATE INDEX records_by_time ON records (partition_id, timestamp, offset);
-- Rooms and their state outlive the records that they were built from.
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
    crc INTEGER,
    headers BLOB,
    value BLOB NOT NULL,
    PRIMARY KEY (partition_id, room_id, event_key)
);
"""

_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_DATA,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
    }
)

_UPGRADE_FROM_1 = "ALTER TABLE records ADD COLUMN crc INTEGER; ALTER TABLE state ADD COLUMN crc INTEGER;"


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the file for this process alone, or a database in memory if ``path`` is None. Creates missing tables.

    The caller begins and ends transactions itself.

    Raises:
        OperatorError: the file cannot be opened, belongs to another program, or is open in another process.
    """
    if path is not None:
        _ensure_folder(path.parent)
    try:
        connection = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise cannot_open(path, error) from error
    return prepared(connection, path)


def prepared(connection: sqlite3.Connection, path: Path | None) -> sqlite3.Connection:
    """``connection`` with the tables of this version. If that fails, it is closed.

    Raises:
        OperatorError: see `connect`.
    """
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise cannot_open(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _ensure_folder(folder: Path) -> None:
    """Create our own data folder. Any other missing folder is more likely a typo, or a disk that is not mounted."""
    if folder == data_folder():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"the log's folder {folder} cannot be created: {error.strerror or error}") from error
    elif not folder.is_dir():
        raise OperatorError(f"the log's folder {folder} does not exist: create it, or name another file in log")


def _prepare(connection: sqlite3.Connection, path: Path | None) -> None:
    # Set before the first access, which then takes the lock and keeps it: a second process is refused.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    version, tables = check_version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = -1")  # some builds shorten the write-ahead log; see `FileGuard`
    if version != VERSION:
        changes = _UPGRADE_FROM_1 if tables else TABLES
        connection.executescript(
            f"BEGIN; {changes} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT"
        )
    # Writes a page even if nothing changes, so that a file that cannot be written to fails here.
    connection.execute(f"PRAGMA user_version = {VERSION}")


def check_version(connection: sqlite3.Connection, path: Path | None) -> tuple[int, int]:
    """The version of the tables, and how many there are: 0 in a new file.

    Raises:
        OperatorError: the file belongs to another program, or to a version of Touchline that this one cannot read.
    """
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application_id != APPLICATION_ID and (application_id or tables):
        raise OperatorError(
            f"{path} is a database of another program: name another file in log, such as sqlite:///absolute/path"
        )
    if tables and version not in (1, VERSION):
        raise OperatorError(
            f"{path} was written by another version of Touchline (its tables have version {version}, "
            f"this version needs {VERSION}): use that version, or name another file in log"
        )
    return version, tables


def cannot_open(path: Path | None, error: sqlite3.Error) -> OperatorError:
    """The error to raise for a log that SQLite could not open or read."""
    code = primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return OperatorError(
            f"another process has the log {path} open: publish and read through that server, or stop it first"
        )
    if code == sqlite3.SQLITE_NOTADB and not is_marked(path):
        return OperatorError(
            f"{path} is not an SQLite database: name another file in log, such as sqlite:///absolute/path"
        )
    return OperatorError(f"the log {path} cannot be opened: {describe(error)}")


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code, without the extended part; 0 if the error did not come from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Whether the file does not hold everything that was written to it, so that nothing more may be acknowledged.

    A failed sync is damage too: the system may have dropped what it could not write, and reports it only once.
    """
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, FileDamaged) or code in _DAMAGE or primary_code(error) in _DAMAGE


def describe(error: BaseException) -> str:
    """What went wrong, and what an operator can do about it."""
    if isinstance(error, FileFault):
        return str(error)
    if is_damage(error):
        return describe_damage(str(error))
    code = primary_code(error)
    return {
        sqlite3.SQLITE_FULL: "the disk is full, free some space",
        sqlite3.SQLITE_IOERR: f"the disk reported an error ({error})",
        sqlite3.SQLITE_READONLY: "the file is read-only, check its permissions and those of its folder",
        sqlite3.SQLITE_CANTOPEN: "no file can be opened or created there, check the path and the folder's permissions",
        sqlite3.SQLITE_PERM: "permission denied, check the permissions of the file and its folder",
    }.get(code, str(error) or type(error).__name__)
