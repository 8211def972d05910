"""An embedded log whose file disappears, or whose thread fails: nothing is acknowledged, and nobody waits forever."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from support.log_harness import WAIT_S, Reader
from touchline_protocol.errors import LogUnavailable
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import AppendFailed, Entry
from touchline_server.core.room_store import RoomKey
from touchline_server.log.sqlite import thread as sqlite_thread
from touchline_server.log.sqlite.log import SqliteLog
from touchline_server.log.sqlite.store import Store
from touchline_server.log.sqlite.thread import BROKEN, FAILURE, WRITING

ENTRY = Entry(b"a", b"1", [("key", b"score")])


async def opened(path: Path | None) -> SqliteLog:
    log = SqliteLog(path, SqliteSettings(), {"scores": None})
    await log.open(["scores"], since_ms=0)
    return log


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    path.with_name("copy").write_bytes(path.read_bytes())
    path.with_name("copy").rename(path)


def without_its_write_ahead_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


@pytest.mark.parametrize("lose", [deleted, replaced, without_its_write_ahead_log])
async def test_nothing_is_acknowledged_after_the_file_was_deleted_or_replaced(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    path = tmp_path / "log.db"
    log = await opened(path)
    await log.append("scores", [ENTRY])
    lose(path)
    for _ in range(2):
        with pytest.raises(AppendFailed) as raised:
            await log.append("scores", [ENTRY])
        assert str(path) in str(raised.value)
    assert str(path) in log.problems[WRITING]
    await log.close()


async def test_a_missing_file_and_its_return_are_noticed_without_an_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_thread, "TICK_S", 0.02)
    path = tmp_path / "log.db"
    log = await opened(path)
    reader = Reader(log)
    await log.append("scores", [ENTRY])
    path.rename(tmp_path / "elsewhere")
    await reader.until(lambda: str(path) in log.problems.get(WRITING, ""))
    (tmp_path / "elsewhere").rename(path)
    await reader.until(lambda: not log.problems)
    assert await log.append("scores", [ENTRY]) == [(0, 1)]
    await log.close()


async def test_a_failed_thread_fails_all_callers_and_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = await opened(None)
    fault = OverflowError("a fault")

    def fail(store: Store, records_max: int) -> bool:
        if store.topics["scores"].partitions[0].next:
            raise fault
        return False

    monkeypatch.setattr(sqlite_thread, "enforce_retention", fail)
    monkeypatch.setattr(sqlite_thread, "GROUP_RECORDS_MAX", 1)
    async with asyncio.timeout(WAIT_S):
        appends = [log.append("scores", [ENTRY]) for _ in range(20)]
        first, *others = await asyncio.gather(*appends, return_exceptions=True)
        assert first == [(0, 0)], "the append before the failure succeeds"
        assert {type(other) for other in others} == {AppendFailed}
        assert BROKEN in str(others[-1])
        assert log.problems == {FAILURE: BROKEN}
        with pytest.raises(AppendFailed):
            await log.append("scores", [ENTRY])
        with pytest.raises(LogUnavailable):
            await log.load(RoomKey("scores", "e", 0, "a"), before=1)
        with pytest.raises(RuntimeError) as raised:
            await log.poll()
        assert raised.value.__cause__ is fault
        await log.close()
