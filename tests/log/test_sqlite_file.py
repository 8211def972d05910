"""The embedded log's file: what it survives, who may open it, and which errors an operator sees."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from log.sqlite_files import WRITER, killed_writer, scores_log
from support.log_harness import WAIT_S, Reader
from support.log_lines import log_lines
from touchline_protocol.errors import OperatorError
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import AppendFailed, Entry
from touchline_server.core.room_store import RoomKey, StoredRoom
from touchline_server.log.sqlite.log import SqliteLog
from touchline_server.log.sqlite.schema import describe, primary_code
from touchline_server.log.sqlite.store import Store
from touchline_server.log.sqlite.thread import READING


async def test_killing_the_process_loses_no_acknowledged_record(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    acknowledged: dict[int, str] = {}
    for _ in range(3):
        for offset, room in await asyncio.to_thread(killed_writer, path, records=100):
            assert offset not in acknowledged, "an offset was used twice"
            acknowledged[offset] = room
    log = scores_log(path)
    await log.open(["scores"], since_ms=0)
    reader = Reader(log)
    await reader.until_caught_up("scores")
    found = {record.offset: (record.key or b"").decode() for record in reader.all("scores")}
    assert len(acknowledged) >= 300
    assert {offset: found.get(offset) for offset in acknowledged} == acknowledged
    newest = {room: max(offset for offset in found if found[offset] == room) for room in found.values()}
    assert {room: (await load(log, room)).head for room in newest} == newest
    await log.close()


async def load(log: SqliteLog, room: str) -> StoredRoom:
    epoch = await log._store.call(lambda store: store.topics["scores"].epoch)
    found = await log.load(RoomKey("scores", epoch, 0, room), before=1 << 40)
    assert isinstance(found, StoredRoom)
    return found


def run_writer(path: Path) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", WRITER, str(path)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=WAIT_S, check=False)


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError()
    error.sqlite_errorcode = code
    return error


def names_in(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = scores_log(path)
    await log.open([], since_ms=0)
    tried = await asyncio.to_thread(run_writer, path)
    assert "OperatorError" in tried.stderr
    assert str(path) in tried.stderr
    await log.append("scores", [Entry(b"a", b"1")])
    await log.close()


async def test_a_second_log_in_the_same_process_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    first, second = scores_log(path), scores_log(path)
    await first.open([], since_ms=0)
    with pytest.raises(OperatorError) as raised:
        await second.open([], since_ms=0)
    assert str(path) in str(raised.value)
    await second.close()
    await second.close()
    with pytest.raises(AppendFailed):
        await second.append("scores", [Entry(b"a", b"1")])
    await first.close()
    third = scores_log(path)
    await third.open([], since_ms=0)
    await third.close()


async def test_the_default_folder_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("touchline_server.log.sqlite.schema.data_folder", lambda: tmp_path / "a" / "b")
    path = tmp_path / "a" / "b" / "log.db"
    log = scores_log(path)
    await log.open([], since_ms=0)
    await log.close()
    assert path.exists()


async def test_a_missing_folder_that_the_user_named_is_reported_and_not_created(tmp_path: Path) -> None:
    folder = tmp_path / "misspelt"
    with pytest.raises(OperatorError) as raised:
        await scores_log(folder / "log.db").open([], since_ms=0)
    assert str(folder) in str(raised.value)
    assert not folder.exists()


async def test_a_closed_log_is_one_file_and_its_mark(tmp_path: Path) -> None:
    log = scores_log(tmp_path / "log.db")
    await log.open([], since_ms=0)
    await log.append("scores", [Entry(b"a", b"1")])
    await log.close()
    assert sorted(names_in(tmp_path)) == ["log.db", "log.db-mark"]


def other_programs_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (things)")
    connection.close()


def log_of_a_later_version(path: Path) -> None:
    store = Store(path, SqliteSettings(), {}, lambda: 0)
    store.connection.execute("PRAGMA user_version = 99")
    store.close()


def damaged_log(path: Path) -> None:
    store = Store(path, SqliteSettings(), {}, lambda: 0)
    store.create_topics(["scores"], 1)
    store.close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\x5a" * (len(content) - 100)
    path.write_bytes(content)


def text_file(path: Path) -> None:
    path.write_bytes(b"not a database, but a text of some length\n" * 100)


def folder_at_its_path(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (text_file, sqlite3.SQLITE_NOTADB),
        (folder_at_its_path, sqlite3.SQLITE_CANTOPEN),
        (other_programs_database, None),
        (log_of_a_later_version, None),
        (damaged_log, sqlite3.SQLITE_CORRUPT),
    ],
)
async def test_an_unusable_file_is_reported_in_one_line_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], code: int | None
) -> None:
    path = tmp_path / "log.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    log = scores_log(path)
    with pytest.raises(OperatorError) as raised:
        await log.open(["scores"], since_ms=0)
    cause = raised.value.__cause__
    assert (primary_code(cause) if isinstance(cause, sqlite3.Error) else None) == code
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
    await log.close()
    assert (path.read_bytes() if path.is_file() else None) == before


async def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("touchline_server.log.sqlite.schema.data_folder", lambda: tmp_path / "file" / "folder")
    log = scores_log(tmp_path / "file" / "folder" / "log.db")
    with pytest.raises(OperatorError) as raised:
        await log.open([], since_ms=0)
    assert str(tmp_path / "file" / "folder") in str(raised.value)


async def test_a_full_disk_fails_only_the_appends_that_do_not_fit_until_there_is_room(tmp_path: Path) -> None:
    log = scores_log(tmp_path / "log.db")
    await log.open(["scores"], since_ms=0)
    reader = Reader(log)
    await log.append("scores", [Entry(b"a", b"1", [("key", b"score")])])

    def limit(store: Store, more_pages: int) -> None:
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages + more_pages}")

    await log._store.call(lambda store: limit(store, 0))
    large = Entry(b"a", b"2" * 100_000, [("key", b"score")])
    small = Entry(b"b", b"3", [("key", b"score")])
    failed, taken = await asyncio.gather(
        log.append("scores", [small, large]), log.append("scores", [small]), return_exceptions=True
    )
    assert isinstance(failed, AppendFailed)
    assert describe(sqlite_error(sqlite3.SQLITE_FULL)) in str(failed)
    assert failed.written == 0
    assert taken == [(0, 1)]
    await log._store.call(lambda store: limit(store, 1000))
    assert await log.append("scores", [large]) == [(0, 2)]
    assert log.problems == {}
    await reader.until(lambda: len(reader.all("scores")) == 3)
    rooms = {room: await load(log, room) for room in ("a", "b")}
    assert {name: (room.head, len(room.state)) for name, room in rooms.items()} == {"a": (2, 1), "b": (1, 1)}
    await log.close()


async def test_an_invalid_append_does_not_fail_others() -> None:
    log = scores_log(None)
    await log.open([], since_ms=0)
    appends = [log.append("scores", [Entry(b"a", b"%d" % number)]) for number in range(10)]
    unknown = log.append("unknown", [Entry(b"a", b"1")])
    too_late = log.append("scores", [Entry(b"a", b"1", (), 1 << 70)])
    *positions, first, second = await asyncio.gather(*appends, unknown, too_late, return_exceptions=True)
    assert [position for several in positions if isinstance(several, list) for position in several] == [
        (0, number) for number in range(10)
    ]
    assert isinstance(first, OperatorError)
    assert isinstance(second, OverflowError)
    await log.close()


async def test_a_damaged_page_is_a_problem_but_does_not_raise_out_of_poll(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = scores_log(path)
    await log.open([], since_ms=0)
    await log.append("scores", [Entry(b"a", b"%d" % number + b" " * 3000) for number in range(200)])
    await log.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\x5a" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    log = scores_log(path)
    await log.open(["scores"], since_ms=0)
    reader = Reader(log)
    await reader.until(lambda: bool(log.problems))
    assert "salvage" in log.problems[READING]
    await log.close()


async def test_a_topic_keeps_its_partitions_and_a_changed_setting_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.db"
    for wanted in (1, 1, 3):
        log = SqliteLog(path, SqliteSettings(partitions=wanted), {"scores": None})
        await log.open([], since_ms=0)
        await log.close()
    [line] = log_lines(caplog, "partitions_kept")
    assert (line["topic"], line["partitions"], line["setting"]) == ("scores", 1, 3)
