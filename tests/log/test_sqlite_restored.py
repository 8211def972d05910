"""An embedded log whose file is not the one that was open last: a copy, an older state, or without its newest records.

Its offsets may get other records than those that clients have seen, so its topics get new epochs.
"""

import asyncio
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from log.sqlite_files import killed_writer, scores_log
from support.log_harness import Reader
from support.node_fixture import running_node
from touchline_protocol.errors import OperatorError
from touchline_server.core.log import Entry
from touchline_server.core.room_store import RoomKey, StoredRoom
from touchline_server.log.sqlite.thread import MARKING

LOGGER = "touchline.log"


async def epoch_and_values(path: Path, *more: bytes) -> tuple[str, list[bytes | None]]:
    """Open the log, append ``more``, and return its epoch and all values."""
    log = scores_log(path)
    await log.open(["scores"], since_ms=0)
    reader = Reader(log)
    if more:
        await log.append("scores", [Entry(b"a", value, [("key", b"score")]) for value in more])
    end = await log._store.call(lambda store: store.topics["scores"].partitions[0].next)
    await reader.until(lambda: reader.next.get(("scores", 0)) == end)
    epoch, values = reader.epochs["scores"], [record.value for record in reader.all("scores")]
    await log.close()
    return epoch, values


def copied(folder: Path, name: str) -> Path:
    """A copy of the folder of a log."""
    return Path(shutil.copytree(folder, folder.with_name(name)))


def moved_back(folder: Path, backup: Path) -> None:
    (backup / "log.db").rename(folder / "log.db")


def copied_over(folder: Path, backup: Path) -> None:
    inode = (folder / "log.db").stat().st_ino
    shutil.copyfile(backup / "log.db", folder / "log.db")
    assert (folder / "log.db").stat().st_ino == inode


def restored_with_its_mark(folder: Path, backup: Path) -> None:
    folder.rename(folder.with_name("aside"))  # not removed: its inode numbers would be given out again
    shutil.copytree(backup, folder)


def restored_alone(folder: Path, backup: Path) -> None:
    (folder / "log.db-mark").unlink()
    copied_over(folder, backup)


def restored_beside_a_torn_mark(folder: Path, backup: Path) -> None:
    (folder / "log.db-mark").write_bytes(b"\0" * 256)
    copied_over(folder, backup)


@pytest.mark.parametrize(
    "restore", [moved_back, copied_over, restored_with_its_mark, restored_alone, restored_beside_a_torn_mark]
)
async def test_an_older_copy_gets_a_new_epoch_and_keeps_what_it_holds(
    tmp_path: Path, restore: Callable[[Path, Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "log.db"
    caplog.set_level(logging.WARNING, LOGGER)
    first, _ = await epoch_and_values(path, b"1")
    backup = copied(folder, "backup")
    same, _ = await epoch_and_values(path, b"2", b"3")
    assert (first, caplog.records) == (same, [])
    restore(folder, backup)
    second, values = await epoch_and_values(path)
    assert second != first
    assert values == [b"1"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text
    assert await epoch_and_values(path, b"4") == (second, [b"1", b"4"]), "from now on it is the log"


async def test_the_state_of_rooms_stays_under_the_new_epoch(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await epoch_and_values(path, b"1", b"2")
    (tmp_path / "log.db-mark").unlink()
    log = scores_log(path)
    await log.open(["scores"], since_ms=0)
    epoch = await log._store.call(lambda store: store.topics["scores"].epoch)
    room = await log.load(RoomKey("scores", epoch, 0, "a"), before=2)
    assert isinstance(room, StoredRoom)
    assert (room.head, [record.value for record in room.state]) == (1, [b"2"])
    await log.close()


async def test_a_copy_that_grew_elsewhere_is_another_log_when_it_comes_back(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    first, _ = await epoch_and_values(here / "log.db", b"1")
    elsewhere.mkdir()
    shutil.copyfile(here / "log.db", elsewhere / "log.db")
    second, _ = await epoch_and_values(elsewhere / "log.db", b"2", b"3")
    shutil.copyfile(elsewhere / "log.db", here / "log.db")
    third, values = await epoch_and_values(here / "log.db")
    assert len({first, second, third}) == 3
    assert values == [b"1", b"2", b"3"]


def without_its_write_ahead_log(path: Path) -> None:
    path.with_name("log.db-wal").unlink()


def with_a_torn_write_ahead_log(path: Path) -> None:
    wal = path.with_name("log.db-wal")
    os.truncate(wal, wal.stat().st_size * 2 // 3)


@pytest.mark.parametrize("lose", [without_its_write_ahead_log, with_a_torn_write_ahead_log])
async def test_a_file_without_its_newest_records_gets_a_new_epoch(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    path = tmp_path / "log.db"
    before, (*_, last) = await epoch_and_values(path, b"1")
    assert last == b"1"
    await asyncio.to_thread(killed_writer, path, records=20)
    lose(path)
    after, values = await epoch_and_values(path)
    assert after != before
    assert values[0] == b"1"
    assert len(values) < 21


def untouched(path: Path) -> Path:
    return path


def moved_with_its_mark(path: Path) -> Path:
    folder = path.parent.rename(path.parent.with_name("moved"))
    return folder / path.name


def vacuumed_by_hand(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("VACUUM")
    connection.close()
    return path


def read_by_hand(path: Path) -> Path:
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM records").fetchone()[0] > 0
    connection.close()
    return path


@pytest.mark.parametrize("handle", [untouched, moved_with_its_mark, vacuumed_by_hand, read_by_hand])
async def test_the_epoch_stays_if_nothing_was_lost(
    tmp_path: Path, handle: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "log.db"
    caplog.set_level(logging.WARNING, LOGGER)
    before, _ = await epoch_and_values(path, b"1")
    await asyncio.to_thread(killed_writer, path, records=20)
    after, values = await epoch_and_values(handle(path))
    assert after == before
    assert len(values) >= 21
    assert caplog.records == []


async def test_a_file_that_was_spliced_with_another_write_ahead_log_is_refused(tmp_path: Path) -> None:
    """SQLite applies any valid write-ahead log that it finds to any file: restoring beside one mixes two states."""
    path = tmp_path / "log.db"
    await epoch_and_values(path, *(b"%d" % number + b" " * 2000 for number in range(10)))
    backup = path.read_bytes()
    await epoch_and_values(path, *(b"%d" % number + b" " * 2000 for number in range(500)))
    await asyncio.to_thread(killed_writer, path, records=20)
    path.write_bytes(backup)
    with pytest.raises(OperatorError) as raised:
        await scores_log(path).open(["scores"], since_ms=0)
    assert str(path) in str(raised.value)
    assert "salvage" in str(raised.value)


async def test_a_write_ahead_log_without_its_file_does_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    before, _ = await epoch_and_values(path, b"1")
    await asyncio.to_thread(killed_writer, path, records=20)
    path.unlink()
    after, values = await epoch_and_values(path, b"2")
    assert after != before
    assert values == [b"2"]


async def test_a_mark_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "log.db-mark").mkdir()
    with pytest.raises(OperatorError) as raised:
        await scores_log(tmp_path / "log.db").open(["scores"], since_ms=0)
    assert str(tmp_path / "log.db-mark") in str(raised.value)


async def test_a_mark_that_can_no_longer_be_written_is_a_problem_and_costs_no_record(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = scores_log(path)
    await log.open(["scores"], since_ms=0)
    descriptor = await log._store.call(lambda store: store.mark._descriptor)
    assert descriptor is not None
    writable = os.dup(descriptor)
    with (tmp_path / "log.db-mark").open("rb") as read_only:
        os.dup2(read_only.fileno(), descriptor)
    assert await log.append("scores", [Entry(b"a", b"1")]) == [(0, 0)]
    reader = Reader(log)
    await reader.until(lambda: "log.db-mark" in log.problems.get(MARKING, ""))
    os.dup2(writable, descriptor)
    os.close(writable)
    assert await log.append("scores", [Entry(b"a", b"2")]) == [(0, 1)]
    assert log.problems == {}
    await log.close()


async def test_a_cursor_in_the_lost_part_starts_over_after_the_log_grew_past_it(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    url = f"sqlite://{path}"
    async with running_node(url=url) as node:
        await node.publish("score:1", *range(10), key="score")
        await node.publish("score:1", 1, key="kept")
    backup = path.read_bytes()
    async with running_node(url=url) as node, node.client() as client:
        await node.publish("score:1", *range(10), key="lost")
        joined = await client.join("score:1")
        assert {event.key for event in joined.state} == {"score", "kept", "lost"}
    path.write_bytes(backup)
    async with running_node(url=url) as node, node.client() as client:
        await node.publish("score:1", *range(100, 130), key="score")
        again = await client.join("score:1", epoch=joined.epoch, after=joined.head)
        assert not again.recovered
        assert again.epoch != joined.epoch
        assert {event.key: event.data for event in again.state} == {"score": 129, "kept": 1}
