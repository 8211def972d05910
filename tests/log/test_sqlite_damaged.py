"""An embedded log whose file is damaged while it is open: nothing more is acknowledged, and an operator is told."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from log.sqlite_files import PAGE_BYTES, leaf_pages, overwrite, scores_log
from support.log_harness import Reader
from support.node_fixture import running_node
from touchline_protocol.errors import LogUnavailable, OperatorError, TopicRefused
from touchline_server.core.log import Entry
from touchline_server.log.sqlite import thread as sqlite_thread
from touchline_server.log.sqlite.log import SqliteLog
from touchline_server.log.sqlite.schema import is_damage
from touchline_server.log.sqlite.thread import DAMAGE

ENTRY = Entry(b"a", b"1" * 500, [("key", b"score")])


async def opened(path: Path) -> SqliteLog:
    """A log with 2,000 records, all of which were moved from the write-ahead log into the file."""
    log = scores_log(path)
    await log.open(["scores"], since_ms=1 << 52)
    for _ in range(20):
        await log.append("scores", [ENTRY] * 100)
    await log._store.call(lambda store: store.connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall())
    return log


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_off_its_write_ahead_log(path: Path) -> None:
    wal = path.with_name("log.db-wal")
    os.truncate(wal, wal.stat().st_size // 2)


def overwritten(path: Path) -> None:
    overwrite(path, 1, path.stat().st_size // PAGE_BYTES)


def overwritten_from_its_header_on(path: Path) -> None:
    overwrite(path, 0, path.stat().st_size // PAGE_BYTES)


damages = pytest.mark.parametrize(
    "damage", [cut_off, cut_off_its_write_ahead_log, overwritten, overwritten_from_its_header_on]
)


@damages
async def test_nothing_is_acknowledged_after_the_file_was_damaged(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "log.db"
    log = await opened(path)
    damage(path)
    for _ in range(2):
        with pytest.raises(TopicRefused) as raised:
            await log.append("scores", [ENTRY])
        assert "salvage" in str(raised.value)
        with pytest.raises(TopicRefused):
            await log.check_writable("scores")
    reader = Reader(log)
    await reader.until(lambda: DAMAGE in log.problems)
    await log.close()


@damages
async def test_damage_is_noticed_without_an_append(
    tmp_path: Path, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_thread, "TICK_S", 0.01)
    path = tmp_path / "log.db"
    log = await opened(path)
    damage(path)
    await Reader(log).until(lambda: DAMAGE in log.problems)
    await log.close()


@pytest.mark.parametrize("name", ["records", "records_by_time", "sqlite_autoindex_records_1"])
async def test_a_damaged_page_that_nobody_uses_is_found(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    await (await opened(path)).close()
    page = leaf_pages(path, name)[3]
    monkeypatch.setattr(sqlite_thread, "TICK_S", 0.01)
    log = scores_log(path)
    await log.open(["scores"], since_ms=1 << 52)
    assert await log.append("scores", [ENTRY]) == [(0, 2000)]
    overwrite(path, page - 1, page)
    await Reader(log).until(lambda: DAMAGE in log.problems)
    with pytest.raises(TopicRefused):
        await log.append("scores", [ENTRY])
    await log.close()


async def test_a_changed_byte_in_a_value_is_found_and_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    log = await opened(path)
    (changed,) = await log.append("scores", [Entry(b"a", b"the value")])
    await log.close()
    content = path.read_bytes()
    assert content.count(b"the value") == 1
    path.write_bytes(content.replace(b"the value", b"the vaIue"))
    log = scores_log(path)
    await log.open(["scores"], since_ms=1 << 52)
    epoch = await log._store.call(lambda store: store.topics["scores"].epoch)
    with pytest.raises(LogUnavailable):
        await log.read("scores", epoch, 0, after=changed.offset - 1, up_to=changed.offset, records_max=1)
    with pytest.raises(TopicRefused):
        await log.append("scores", [ENTRY])
    await log.close()
    path.write_bytes(content)
    log = scores_log(path)
    await log.open(["scores"], since_ms=1 << 52)
    monkeypatch.setattr(sqlite_thread, "TICK_S", 0.01)
    path.write_bytes(path.read_bytes().replace(b"the value", b"the vaIue"))
    await Reader(log).until(lambda: DAMAGE in log.problems)
    await log.close()


async def test_a_log_that_was_damaged_is_verified_at_the_next_start_even_if_it_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = await opened(path)
    await log.append("scores", [ENTRY])
    content = path.read_bytes()
    cut_off(path)
    with pytest.raises(TopicRefused):
        await log.append("scores", [ENTRY])
    await log.close()
    log = scores_log(path)
    with pytest.raises(OperatorError) as raised:
        await log.open(["scores"], since_ms=0)
    assert str(path) in str(raised.value)
    assert "salvage" in str(raised.value)
    path.write_bytes(content)
    await log.open(["scores"], since_ms=0)
    await log.close()


async def test_a_server_with_a_damaged_log_takes_nothing_says_why_and_serves_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with running_node(url=f"sqlite://{path}") as node, httpx.AsyncClient() as http:
        await node.publish("score:1", *range(100), key="score")
        cut_off(path)
        control = f"http://{node.node.settings.control_host}:{node.node.control_port}"
        refused = await http.post(f"{control}/v1/rooms/score:1/events", json={"data": 1})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "topic_refused")
        ready = await http.get(f"{control}/readyz/strict")
        assert ready.status_code == 503
        assert DAMAGE in ready.json()["degraded"]
        async with node.client() as client:
            assert [event.data for event in (await client.join("score:1")).state] == [99]


@pytest.mark.parametrize(
    ("code", "damaged"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_IOERR_SHORT_READ, True),
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_READONLY, False),
    ],
)
def test_only_what_does_not_pass_is_damage(code: int, damaged: bool) -> None:
    error = sqlite3.OperationalError()
    error.sqlite_errorcode = code
    assert is_damage(error) == damaged
