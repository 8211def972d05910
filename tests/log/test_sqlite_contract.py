"""Runs the contract of logs against the embedded log in a file."""

import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import cast

import pytest

from log.contract import LogContract
from log.contract_acting import ActingLogContract
from log.contract_reading import ReadingContract
from log.contract_topics import TopicsContract
from support.log_harness import Harness, Raw
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import Entry, Log, Position
from touchline_server.log.sqlite.log import SqliteLog
from touchline_server.log.sqlite.retention import trim
from touchline_server.log.sqlite.store import Store


class SqliteHarness:
    """One file. The log that has it open owns it, so changes from outside also go through that log's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = 0
        self._log: SqliteLog | None = None

    def unused_name(self) -> str:
        self._names += 1
        return f"topic-{self._names}"

    async def create_topic(self, partitions: int = 1, name: str | None = None) -> str:
        name = name or self.unused_name()
        log = await self._any_log()
        assert await log.create_topics([name], partitions=partitions, replication=1) == [name]
        return name

    async def append(self, topic: str, records: Sequence[Raw], *, partition: int | None = None) -> list[Position]:
        assert not partition, "SqliteLog cannot choose a partition"
        log = await self._any_log()
        return await log.append(topic, [Entry(cast(bytes, record.key), *record[1:]) for record in records])

    async def trim(self, topic: str, partition: int, before: int) -> None:
        log = await self._any_log()
        await log._store.call(lambda store: trim(store, store.topics[topic].partitions[partition], before))

    async def recreate_topic(self, topic: str, partitions: int = 1) -> None:
        """Recreate the topic the way it happens to an embedded log: somebody removes the file, and it is recreated."""
        await self.close()
        for suffix in ("", "-wal"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        await self.create_topic(partitions, topic)

    async def stop(self) -> None:
        """Make the file read-only."""
        await self._query_only(True)

    async def start(self) -> None:
        await self._query_only(False)

    async def open_log(self, *topics: str, since_ms: int = 0, from_start: Collection[str] = ()) -> Log:
        await self.close()
        return await self._open(topics, since_ms, from_start)

    async def close(self) -> None:
        if self._log is not None:
            await self._log.close()
            self._log = None

    async def _any_log(self) -> SqliteLog:
        return self._log or await self._open((), 0, ())

    async def _open(self, topics: Sequence[str], since_ms: int, from_start: Collection[str]) -> SqliteLog:
        self._log = SqliteLog(self._path, SqliteSettings())
        await self._log.open(topics, since_ms=since_ms, from_start=from_start)
        return self._log

    async def _query_only(self, on: bool) -> None:
        def switch(store: Store) -> None:
            connection: sqlite3.Connection = store.connection
            connection.execute(f"PRAGMA query_only = {on}")

        log = await self._any_log()
        await log._store.call(switch)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    sqlite_harness = SqliteHarness(tmp_path / "log.db")
    yield sqlite_harness
    await sqlite_harness.close()


class TestSqliteContract(LogContract, ReadingContract, TopicsContract, ActingLogContract):
    """All except `SharedLogContract`: nobody else can change the file of an embedded log."""
