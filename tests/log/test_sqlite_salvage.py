"""Salvage: what can be read of a damaged embedded log, in a new one."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from log.sqlite_files import PAGE_BYTES, killed_writer, leaf_pages, overwrite
from touchline_protocol.errors import OperatorError
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import Entry
from touchline_server.log.sqlite.records import Append, Topic
from touchline_server.log.sqlite.retention import trim
from touchline_server.log.sqlite.salvage import Salvaged, salvage
from touchline_server.log.sqlite.store import Store

NOW_MS = 1_800_000_000_000
COUNT = 2_000


def store_in(path: Path, partitions: int = 1) -> Store:
    settings = SqliteSettings(partitions=partitions)
    return Store(path, settings, {"scores": None, "goals": "id"}, lambda: NOW_MS)


def entry(room: int, key: str, value: object, timestamp: int = NOW_MS) -> Entry:
    return Entry(b"%d" % room, json.dumps(value).encode(), [("key", key.encode())], timestamp)


def fill(path: Path, entries: Sequence[Entry], partitions: int = 1) -> None:
    with closing(store_in(path, partitions)) as store:
        for first in range(0, len(entries), 100):
            store.append([Append("scores", entries[first : first + 100])])


def padded(number: int) -> list[object]:
    return [number, "x" * 100]


def values_in(store: Store, name: str = "scores") -> dict[str, list[int]]:
    """The numbers in each room's records, in their order."""
    found: dict[str, list[int]] = {}
    for partition in topic_in(store, name).partitions:
        after = -1
        while after < partition.next - 1:
            chunk = store.queries.read(partition, after=after, up_to=partition.next - 1, records_max=1000)
            for record in chunk.records:
                assert record.timestamp == NOW_MS
                number = json.loads(record.value or b"")[0]
                found.setdefault((record.key or b"").decode(), []).append(number)
            after = chunk.reached
    return found


def topic_in(store: Store, name: str = "scores") -> Topic:
    return store.topics[name]


def state_in(store: Store, room: str, partition: int = 0) -> dict[str, object]:
    stored = store.queries.room(topic_in(store).partitions[partition], room, 1 << 50)
    assert stored is not None
    return {dict(record.headers)["key"].decode(): json.loads(record.value or b"") for record in stored.state}


def salvaged_into(path: Path, damaged: Path, partitions: int = 1) -> tuple[Store, list[Salvaged]]:
    before = damaged.read_bytes()
    report = salvage(damaged, lambda: store_in(path, partitions))
    assert damaged.read_bytes() == before, "a damaged file is only read"
    return store_in(path, partitions), report


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_damaged_page_costs_only_the_records_on_it(tmp_path: Path, partitions: int) -> None:
    path = tmp_path / "log.db"
    fill(path, [entry(number % 5, "score", padded(number)) for number in range(COUNT)], partitions)
    with closing(store_in(path, partitions)) as store:
        whole, epoch = values_in(store), topic_in(store).epoch
    page = leaf_pages(path, "records")[10]
    overwrite(path, page - 1, page)
    store, report = salvaged_into(tmp_path / "new.db", path, partitions)
    with closing(store):
        found = values_in(store)
        saved = sum(map(len, found.values()))
        assert COUNT - 60 < saved < COUNT
        assert report == [Salvaged("scores", saved, COUNT - saved), Salvaged("goals", 0, 0)]
        for room, numbers in found.items():
            assert numbers == [number for number in whole[room] if number in numbers], "in order, and none twice"
        assert topic_in(store).epoch != epoch


def test_half_a_file_and_a_damaged_index_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    fill(path, [entry(1, "score", padded(number)) for number in range(COUNT)])
    for page in leaf_pages(path, "sqlite_autoindex_records_1"):
        overwrite(path, page - 1, page)
    os.truncate(path, path.stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)
    store, _ = salvaged_into(tmp_path / "new.db", path)
    with closing(store):
        assert len(values_in(store)["1"]) > COUNT // 4


def test_state_outlives_its_records_and_is_never_older_than_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    entries = [entry(1, "old", "kept")]
    entries += [entry(1, "removed", 1), entry(1, "score", 1)]
    entries += [entry(2, "filler", padded(number)) for number in range(COUNT)]
    entries += [entry(1, "score", 2), entry(1, "removed", None)]
    fill(path, entries)
    with closing(store_in(path)) as store:
        trim(store, topic_in(store).partitions[0], 1)
    *_, last = leaf_pages(path, "records")
    overwrite(path, last - 1, last)
    store, report = salvaged_into(tmp_path / "new.db", path)
    with closing(store):
        assert 0 < report[0].lost < 60
        assert state_in(store, "1") == {"old": "kept", "score": 2}
        assert state_in(store, "2") == {"filler": padded(COUNT - 1)}


def test_a_record_with_a_changed_byte_counts_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    fill(path, [entry(number, "score", [number, f"value {number}"]) for number in range(10)])
    path.write_bytes(path.read_bytes().replace(b"value 7", b"value 8"))
    store, report = salvaged_into(tmp_path / "new.db", path)
    with closing(store):
        assert report[0] == Salvaged("scores", 9, 1)
        assert "7" not in values_in(store)


def test_a_file_of_version_1_is_opened_salvaged_and_gets_checksums(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    fill(path, [entry(1, "old", padded(0))])
    connection = sqlite3.connect(path)
    for table in ("records", "state"):
        connection.execute(f"ALTER TABLE {table} DROP COLUMN crc")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    store, report = salvaged_into(tmp_path / "new.db", path)
    with closing(store):
        assert report[0] == Salvaged("scores", 1, 0)
    fill(path, [entry(1, "new", padded(1))])
    with closing(store_in(path)) as store:
        assert values_in(store) == {"1": [0, 1]}
        assert state_in(store, "1") == {"old": padded(0), "new": padded(1)}
        crcs = store.connection.execute("SELECT crc IS NULL FROM records ORDER BY offset").fetchall()
        assert crcs == [(1,), (0,)]


async def test_records_that_are_still_in_the_write_ahead_log_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    acknowledged = await asyncio.to_thread(killed_writer, path, records=20)
    [(_, saved, lost), *_] = salvage(path, lambda: store_in(tmp_path / "new.db"))
    assert saved >= len(acknowledged)
    assert lost == 0


def test_a_log_that_is_open_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(store_in(path)), pytest.raises(OperatorError) as raised:
        salvage(path, lambda: store_in(tmp_path / "new.db"))
    assert str(path) in str(raised.value)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("first_page", [0, 1])
def test_a_file_of_which_nothing_can_be_read_is_reported(tmp_path: Path, first_page: int) -> None:
    path = tmp_path / "log.db"
    fill(path, [entry(1, "score", 1)])
    overwrite(path, first_page, path.stat().st_size // PAGE_BYTES)
    with pytest.raises(OperatorError) as raised:
        salvage(path, lambda: store_in(tmp_path / "new.db"))
    assert str(path) in str(raised.value)
    assert not (tmp_path / "new.db").exists()
