"""The embedded log's topics, and how records and room state are written. Synchronous, and used by one thread only.

Rules:

1. One transaction writes a record together with its room's head and state.
2. The copies in memory (`Partition`) change only after the transaction is committed.
3. The offsets of a partition rise by one and are never reused, since the end of each partition is stored.
4. A file that is not the one that was open last (`Mark`) may lack records that clients have seen, and would use their
   offsets again: its topics get new epochs before anything else happens.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from secrets import token_hex

import msgspec
import structlog

from touchline_protocol.errors import BadRecord, OperatorError
from touchline_protocol.records import EventRecord, parse_record
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import OffsetOutOfRange, Position, UnknownTopic

from .file_guard import FileDamaged, FileGuard, describe_damage
from .integrity import Scrub, verify
from .key_fields import follow_key_fields
from .look import copy_of
from .mark import Mark
from .queries import NO_OFFSET, Queries
from .records import (
    RECORD_BYTES,
    Append,
    Commit,
    Partition,
    StoredRecord,
    Topic,
    checksum,
    partition_of,
    state_columns,
)
from .schema import cannot_open, connect, describe, is_damage, prepared

EPOCH_BYTES = 8
"""Random bytes in the epoch of a new topic, so that no two logs share an epoch."""
logger = structlog.get_logger("touchline.log")


class _Changes:
    """The changes that a transaction is about to write."""

    def __init__(self) -> None:
        self.records: dict[Partition, list[StoredRecord]] = {}
        self.rows: list[tuple[object, ...]] = []
        self.sizes: dict[Partition, int] = {}
        self.heads: dict[tuple[int, str], int] = {}
        self.state: dict[tuple[int, str, str], StoredRecord | None] = {}
        """The newest record of each event key; None if that record removed the key."""


class Store:
    """The tables, and the topics and partitions in memory. ``key_fields`` maps each topic to its `Feed.key_field`."""

    def __init__(
        self,
        path: Path | None,
        settings: SqliteSettings,
        key_fields: Mapping[str, str | None],
        now_ms: Callable[[], int],
        *,
        private_copy: bool = False,
    ) -> None:
        """Open the store, and create the topics of ``key_fields`` that do not exist yet.

        With a ``private_copy`` the file is only read: the store works on a copy that nobody else sees, creates no
        topics, and leaves no mark.

        Raises:
            OperatorError: it cannot be opened or written to; the message says why.
        """
        self.settings = settings
        self.now_ms = now_ms
        self._key_fields = key_fields
        self.topics: dict[str, Topic] = {}
        self.damage: str | None = None
        """What is damaged, described for an operator. Nothing is written from then on."""
        self._scrub = Scrub()
        self._records = 0
        """The number of records ever appended. Every append raises it, so it tells what was lost."""
        with ExitStack() as stack:
            opened = prepared(copy_of(path), path) if private_copy and path else connect(path)
            self.connection = stack.enter_context(closing(opened))
            own = None if private_copy else path
            try:
                self.queries = Queries(self.connection)
                self.files = FileGuard(own)
                self.mark = Mark(own)
                stack.callback(self.mark.close, sound=False)
                self._load(own)
                if not private_copy:
                    self._report_partitions(settings.partitions)
                    self.create_topics(list(self._key_fields), settings.partitions)
                self.incomplete = self._follow_key_fields()
                """The topics whose states lack keys, see `key_fields`."""
            except sqlite3.Error as error:
                raise cannot_open(path, error) from error
            stack.pop_all()

    def _follow_key_fields(self) -> frozenset[str]:
        with self.transaction():
            return follow_key_fields(self.connection, self.topics.values(), self._key_fields)

    def _load(self, path: Path | None) -> None:
        self._load_topics()
        if self.topics and not self.mark.vouches:
            logger.info(
                "log_file_verification_started", path=str(path), why="it was not closed in order, or it is a copy"
            )
            if findings := verify(self.connection):
                raise OperatorError(f"the log {path} cannot be opened: {describe_damage('; '.join(findings))}")
        self._check_mark(path)

    def _report_partitions(self, wanted: int) -> None:
        """Log which topics keep their number of partitions: the setting is for new ones."""
        for name in self._key_fields:
            kept = len(self.topics[name].partitions) if name in self.topics else wanted
            if kept != wanted:
                logger.warning(
                    "partitions_kept", topic=name, partitions=kept, setting=wanted, option="sqlite.partitions"
                )

    def close(self) -> None:
        """Close the file."""
        self.connection.close()
        self.mark.close(sound=self.damage is None)

    def note(self, error: Exception) -> None:
        """Stop writing for good if ``error`` says that the file is damaged."""
        if self.damage is None and is_damage(error):
            self.damage = describe(error)

    def scrub(self) -> None:
        """Read a part of the file, to find damage before it is needed. Raises `sqlite3.Error` if that fails."""
        self._scrub.step(self.connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that the block executes, or roll all of it back if it raises.

        Raises:
            FileLost: the file was deleted or replaced, so that a commit would be lost.
            FileDamaged: the file is damaged, so that a commit might not be readable.
        """
        if self.damage is not None:
            raise FileDamaged(self.damage)
        # Without cached pages, whatever is about to be extended is read from the file, so damage is found.
        self.connection.execute("PRAGMA shrink_memory")
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.files.check()
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # after some errors SQLite has already rolled back by itself
                self.connection.execute("ROLLBACK")
            raise

    def _check_mark(self, path: Path | None) -> None:
        """Give all topics new epochs if this is not the file that was open last. Then mark it."""
        if self.topics and (why := self.mark.mismatch(self._identity, self._records)) is not None:
            with self.transaction():
                self.connection.executemany(
                    "UPDATE topics SET epoch = ? WHERE name = ?", [(_new_epoch(), name) for name in self.topics]
                )
            self._load_topics()
            # Its topics get new epochs, so all clients start over from what the file holds.
            logger.warning("log_file_replaced", path=str(path), why=why)
        self.mark.create(self._identity, self._records)

    @property
    def _identity(self) -> str:
        """The epoch of the oldest topic: no two logs share it, and it changes with the other epochs."""
        return next(iter(self.topics.values())).epoch if self.topics else ""

    def _load_topics(self) -> None:
        self.topics = {
            name: Topic(
                name,
                epoch,
                [
                    Partition(name, *row)
                    for row in self.connection.execute(
                        "SELECT id, number, first_offset, next_offset, size_bytes FROM partitions "
                        "WHERE topic = ? ORDER BY number",
                        (name,),
                    )
                ],
            )
            for name, epoch in self.connection.execute("SELECT name, epoch FROM topics ORDER BY rowid").fetchall()
        }
        self._records = sum(partition.next for topic in self.topics.values() for partition in topic.partitions)

    def create_topics(self, names: Sequence[str], partitions: int) -> list[Topic]:
        """Create those topics that do not exist yet, and return them."""
        missing = [name for name in dict.fromkeys(names) if name not in self.topics]
        if not missing:
            return []
        with self.transaction():
            for name in missing:
                self.connection.execute("INSERT INTO topics VALUES (?, ?)", (name, _new_epoch()))
                self.connection.executemany(
                    "INSERT INTO partitions VALUES (NULL, ?, ?, 0, 0, 0)",
                    [(name, number) for number in range(partitions)],
                )
        self._load_topics()
        self.mark.create(self._identity, self._records)
        return [self.topics[name] for name in missing]

    def partition(self, name: str, epoch: str, number: int) -> Partition:
        """A partition of a topic in an epoch.

        Raises:
            OffsetOutOfRange: the topic has no such partition, or another epoch.
        """
        topic = self.topics.get(name)
        if topic is None or topic.epoch != epoch or not 0 <= number < len(topic.partitions):
            raise OffsetOutOfRange(f"{name} has no partition {number} in the epoch {epoch!r}")
        return topic.partitions[number]

    # Appending.

    def append(self, appends: Sequence[Append]) -> Commit:
        """Append in one transaction, all or nothing.

        Raises:
            UnknownTopic: a topic does not exist.
            sqlite3.Error: the file could not be written to.
            FileFault: the file was deleted, replaced or damaged.
        """
        changes = _Changes()
        positions = [self._plan(append, changes) for append in appends]
        with self.transaction():
            self._write(changes)
        for partition, records in changes.records.items():
            partition.next += len(records)
            partition.size_bytes += changes.sizes[partition]
            self._records += len(records)
        self.files.check()  # again: it may have been deleted while the disk was busy
        self.mark.advance(self._records)
        return Commit(
            positions,
            {(partition.topic, partition.number): records for partition, records in changes.records.items()},
        )

    def _plan(self, append: Append, changes: _Changes) -> list[Position]:
        """Assign each entry its position, and add what it changes to ``changes``."""
        topic = self.topics.get(append.topic)
        if topic is None:
            raise unknown_topic(append.topic)
        key_field = self._key_fields.get(topic.name)
        positions = []
        for entry in append.entries:
            partition = topic.partitions[partition_of(entry.key, len(topic.partitions))]
            records = changes.records.setdefault(partition, [])
            timestamp = self.now_ms() if entry.timestamp is None else entry.timestamp
            offset = partition.next + len(records)
            record = StoredRecord(offset, timestamp, entry.key, entry.value, list(entry.headers))
            records.append(record)
            self._add_record(partition, record, key_field, changes)
            positions.append(Position(partition.number, offset))
        return positions

    def _add_record(self, partition: Partition, record: StoredRecord, key_field: str | None, changes: _Changes) -> None:
        prev: int | None
        try:
            parsed = parse_record(record, key_field)
        except BadRecord:  # kept as it is, but belongs to no room
            prev = None
        else:
            prev = self._advance_room(partition, record, parsed, changes)
        headers = msgspec.msgpack.encode(record.headers) if record.headers else None
        size_bytes = RECORD_BYTES + sum(len(part) for part in (record.key, record.value, headers) if part)
        changes.sizes[partition] = changes.sizes.get(partition, 0) + size_bytes
        crc = checksum(record.offset, record.timestamp, record.key, record.value, headers)
        changes.rows.append(
            (partition.row_id, record.offset, record.timestamp, prev, crc, record.key, headers, record.value)
        )

    def _advance_room(self, partition: Partition, record: StoredRecord, parsed: EventRecord, changes: _Changes) -> int:
        """Move the room's head to this record, and return the previous head."""
        room = (partition.row_id, parsed.room_id)
        prev = changes.heads.get(room)
        if prev is None:
            row = self.connection.execute(
                "SELECT head FROM rooms WHERE partition_id = ? AND room_id = ?", room
            ).fetchone()
            prev = row[0] if row else NO_OFFSET
        changes.heads[room] = record.offset
        if parsed.key is not None:
            changes.state[*room, parsed.key] = None if parsed.value == b"null" else record
        return prev

    def _write(self, changes: _Changes) -> None:
        execute_many = self.connection.executemany
        execute_many(
            "INSERT INTO records (partition_id, offset, timestamp, prev, crc, key, headers, value) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            changes.rows,
        )
        execute_many(
            "UPDATE partitions SET next_offset = ?, size_bytes = ? WHERE id = ?",
            [
                (partition.next + len(records), partition.size_bytes + changes.sizes[partition], partition.row_id)
                for partition, records in changes.records.items()
            ],
        )
        execute_many(
            "INSERT INTO rooms VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET head = excluded.head",
            [(*room, head) for room, head in changes.heads.items()],
        )
        execute_many(
            "INSERT OR REPLACE INTO state (partition_id, room_id, event_key, offset, timestamp, crc, headers, value) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(*key, *state_columns(record)) for key, record in changes.state.items() if record is not None],
        )
        execute_many(
            "DELETE FROM state WHERE partition_id = ? AND room_id = ? AND event_key = ?",
            [key for key, record in changes.state.items() if record is None],
        )

    def check_writable(self, name: str) -> None:
        """See `core.log.Log.check_writable`. Raises `sqlite3.Error` if writing fails."""
        if name not in self.topics:
            raise unknown_topic(name)
        self.probe()

    def probe(self) -> None:
        """Write to the file without changing anything. Raises `sqlite3.Error` if that fails."""
        with self.transaction():
            self.connection.execute("UPDATE partitions SET size_bytes = size_bytes")


def _new_epoch() -> str:
    return token_hex(EPOCH_BYTES)


def unknown_topic(name: str) -> UnknownTopic:
    """The error to raise for a topic that does not exist."""
    return UnknownTopic(f"the log has no topic {name!r}: name it as the topic of a feed, or create it first")
