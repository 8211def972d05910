"""Retention in the embedded log: which records it removes, and that it removes a few at a time."""

import asyncio
from collections.abc import Callable

import pytest

from support.log_harness import WAIT_S, Reader, read_all
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import Entry, OffsetOutOfRange
from touchline_server.log.sqlite import thread as sqlite_thread
from touchline_server.log.sqlite.log import SqliteLog

HOUR_MS = 3_600_000
KIB = 1024


async def opened(settings: SqliteSettings, now_ms: Callable[[], int] = lambda: HOUR_MS) -> tuple[SqliteLog, Reader]:
    log = SqliteLog(None, settings, {"scores": None}, now_ms=now_ms)
    await log.open(["scores"], since_ms=0)
    reader = Reader(log)
    await reader.until_caught_up("scores")
    return log, reader


async def first_offset(log: SqliteLog, reader: Reader, end: int) -> int:
    """The lowest offset that can be read."""
    for after in range(-1, end):
        try:
            await log.read("scores", reader.epochs["scores"], 0, after=after, up_to=end, records_max=1)
        except OffsetOutOfRange:
            continue
        return after + 1
    return end


async def test_only_records_older_than_the_retention_time_are_removed() -> None:
    now = [HOUR_MS]
    log, reader = await opened(SqliteSettings(retention_s=3600), lambda: now[0])
    await log.append("scores", [Entry(b"a", b"%d" % number) for number in range(10)])
    now[0] += HOUR_MS // 2
    await log.append("scores", [Entry(b"a", b"%d" % number) for number in range(10, 20)])
    assert await first_offset(log, reader, 20) == 0
    now[0] += HOUR_MS // 2 + 1
    await log.append("scores", [Entry(b"a", b"20")])
    assert await first_offset(log, reader, 21) == 10
    await log.close()


async def test_old_records_are_removed_even_while_the_log_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_thread, "TICK_S", 0.01)
    loop = asyncio.get_running_loop()
    now = HOUR_MS
    checks = 0
    checked_twice = asyncio.Event()

    def clock() -> int:
        nonlocal checks
        if now > HOUR_MS:
            checks += 1
        if checks == 2:  # the first one has finished
            loop.call_soon_threadsafe(checked_twice.set)
        return now

    log, reader = await opened(SqliteSettings(retention_s=3600), clock)
    await log.append("scores", [Entry(b"a", b"0")])
    now += 2 * HOUR_MS
    await asyncio.wait_for(checked_twice.wait(), WAIT_S)
    with pytest.raises(OffsetOutOfRange):
        await log.read("scores", reader.epochs["scores"], 0, after=-1, up_to=0, records_max=1)
    await log.close()


async def test_the_oldest_records_are_removed_if_a_topic_is_too_large() -> None:
    log, reader = await opened(SqliteSettings(retention_bytes_max=64 * KIB))
    for number in range(200):
        await log.append("scores", [Entry(b"a", b"%4d" % number + b" " * KIB)])
    first = await first_offset(log, reader, 200)
    assert 130 < first < 150, "64 KiB hold about 60 records"
    records = await read_all(log, "scores", reader.epochs["scores"], 0, after=first - 1, up_to=199, records_max=50)
    assert [record.offset for record in records] == list(range(first, 200))
    await log.close()


async def test_retention_keeps_up_with_a_flood() -> None:
    log, _ = await opened(SqliteSettings(retention_bytes_max=64 * KIB))
    sizes = []
    for _ in range(10):
        await log.append("scores", [Entry(b"a", b"0" * 100) for _ in range(5000)])
        sizes.append(await log._store.call(lambda store: store.topics["scores"].partitions[0].size_bytes))
    assert max(sizes) < 2 * 5000 * 200, "never more than two of these appends"
    await log.close()


async def test_the_oldest_records_across_partitions_are_removed_first() -> None:
    now = [HOUR_MS]
    settings = SqliteSettings(retention_bytes_max=64 * KIB, partitions=2)
    log, _ = await opened(settings, lambda: now[0])
    keys = {log.partition_of(key, 2): key for key in (b"%d" % number for number in range(20))}
    for number in range(20):
        now[0] += 1
        await log.append("scores", [Entry(keys[number // 10], b" " * KIB * 4)])
    firsts = await log._store.call(lambda store: [partition.first for partition in store.topics["scores"].partitions])
    assert 0 < firsts[0] <= 10
    assert firsts[1] == 0, "its records are newer than those that remain in partition 0"
    await log.close()


async def test_offsets_continue_after_all_records_were_removed() -> None:
    now = [HOUR_MS]
    log, reader = await opened(SqliteSettings(retention_s=3600), lambda: now[0])
    await log.append("scores", [Entry(b"a", b"1"), Entry(b"a", b"2")])
    now[0] += 2 * HOUR_MS
    ((_, offset),) = await log.append("scores", [Entry(b"a", b"3")])
    assert offset == 2
    await reader.until(lambda: len(reader.all("scores")) == 3)
    assert await log.end("scores", reader.epochs["scores"], 0) == 3
    await log.close()


async def test_retention_copes_with_a_file_that_lacks_its_oldest_records() -> None:
    now = [HOUR_MS]
    log, reader = await opened(SqliteSettings(retention_s=3600), lambda: now[0])
    await log.append("scores", [Entry(b"a", b"%d" % number) for number in range(10)])
    await log._store.call(lambda store: store.connection.execute("DELETE FROM records WHERE offset < 3").fetchall())
    now[0] += HOUR_MS + 1
    await log.append("scores", [Entry(b"a", b"10")])
    assert await first_offset(log, reader, 11) == 10
    await log.close()
