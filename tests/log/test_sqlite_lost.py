"""The embedded log when its file is taken away under it, or its thread fails: nobody is told yes, or waits for ever."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from log.harness import WAIT_S, Reader
from touchline_protocol.errors import LogUnavailable
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import AppendFailed, Entry
from touchline_server.core.room_store import RoomKey
from touchline_server.log.sqlite import thread as sqlite_thread
from touchline_server.log.sqlite.log import SqliteLog
from touchline_server.log.sqlite.store import Store

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
async def test_nothing_is_acknowledged_once_the_file_was_taken_away(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    path = tmp_path / "log.db"
    log = await opened(path)
    await log.append("scores", [ENTRY])
    lose(path)
    for _ in range(2):
        with pytest.raises(AppendFailed, match="was deleted or replaced while it was open: restart touchline"):
            await log.append("scores", [ENTRY])
    assert "nothing can be appended: the file" in log.problems["writing"]
    await log.close()


async def test_a_file_that_was_taken_away_is_noticed_without_an_append_and_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_thread, "TICK_S", 0.02)
    path = tmp_path / "log.db"
    log = await opened(path)
    reader = Reader(log)
    await log.append("scores", [ENTRY])
    path.rename(tmp_path / "elsewhere")
    await reader.until(lambda: "deleted or replaced" in log.problems.get("writing", ""))
    (tmp_path / "elsewhere").rename(path)
    await reader.until(lambda: not log.problems)
    assert await log.append("scores", [ENTRY]) == [(0, 1)]
    await log.close()


async def test_a_thread_that_fails_leaves_nobody_waiting_and_the_node_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = await opened(None)
    fault = OverflowError("a fault")

    def fail(store: Store, records_max: int) -> bool:
        if store.topics["scores"].partitions[0].next:
            raise fault
        return False

    monkeypatch.setattr(sqlite_thread, "retain", fail)
    monkeypatch.setattr(sqlite_thread, "GROUP_RECORDS_MAX", 1)
    async with asyncio.timeout(WAIT_S):
        appends = [log.append("scores", [ENTRY]) for _ in range(20)]
        first, *others = await asyncio.gather(*appends, return_exceptions=True)
        assert first == [(0, 0)], "what was done before is answered"
        assert {type(other) for other in others} == {AppendFailed}
        assert "a mistake in touchline" in str(others[-1])
        assert "a mistake in touchline" in log.problems["log"]
        with pytest.raises(AppendFailed, match="nothing was appended to scores"):
            await log.append("scores", [ENTRY])
        with pytest.raises(LogUnavailable, match="a mistake in touchline"):
            await log.load(RoomKey("scores", "e", 0, "a"), before=1)
        with pytest.raises(RuntimeError) as raised:
            await log.poll()
        assert raised.value.__cause__ is fault
        await log.close()
