"""The rooms that the embedded log knows without reading its records."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from log.harness import Raw, Reader, as_raw
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import Entry, RoomSnapshot
from touchline_server.log.sqlite.log import SqliteLog

HOUR_MS = 3_600_000
EVERYTHING = 1 << 40
"""An offset after all others."""

State = dict[str, tuple[int, dict[bytes | None, bytes | None]]]


def keyed(room: str, key: str, value: str | None) -> Entry:
    return Entry(room.encode(), None if value is None else value.encode(), [("key", key.encode())])


def happening(room: str, value: str = "0") -> Entry:
    return Entry(room.encode(), value.encode())


def told(snapshots: Sequence[RoomSnapshot]) -> State:
    """Each room's head, and the values of its event keys."""
    return {
        one.room_id: (one.head, {dict(record.headers).get("key"): record.value for record in one.state})
        for one in snapshots
    }


async def memory_log(settings: SqliteSettings | None = None, key_field: str | None = None) -> SqliteLog:
    log = SqliteLog(None, settings or SqliteSettings(), {"scores": key_field})
    await log.open(["scores"], since_ms=0)
    return log


async def test_a_room_is_its_newest_event_of_each_key_and_its_head() -> None:
    log = await memory_log()
    await log.append(
        "scores",
        [keyed("a", "score", "1"), keyed("a", "clock", "2"), keyed("b", "score", "3"), keyed("a", "score", "4")],
    )
    await log.append("scores", [happening("a")])
    assert told(await log.snapshot("scores", 0, EVERYTHING)) == {
        "a": (4, {b"score": b"4", b"clock": b"2"}),
        "b": (2, {b"score": b"3"}),
    }
    await log.close()


async def test_records_of_the_state_are_whole() -> None:
    log = await memory_log()
    entry = Entry(b"a", b'{"home":1}', [("trace", b"\xff"), ("key", b"score")], 1_700_000_000_000)
    await log.append("scores", [happening("a"), entry])
    ((_, _, (record,)),) = await log.snapshot("scores", 0, EVERYTHING)
    assert record.offset == 1
    assert as_raw(record) == Raw(entry.key, entry.value, list(entry.headers), entry.timestamp)
    await log.close()


@pytest.mark.parametrize("removal", [None, "null"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_null_value_removes_its_key(removal: str | None, at_once: bool) -> None:
    log = await memory_log()
    entries = [keyed("a", "score", "1"), keyed("a", "clock", "2"), keyed("a", "score", removal)]
    for part in [entries] if at_once else [[entry] for entry in entries]:
        await log.append("scores", part)
    assert told(await log.snapshot("scores", 0, EVERYTHING)) == {"a": (2, {b"clock": b"2"})}
    await log.append("scores", [keyed("a", "score", "5")])
    assert told(await log.snapshot("scores", 0, EVERYTHING)) == {"a": (3, {b"clock": b"2", b"score": b"5"})}
    await log.close()


async def test_the_key_may_be_a_field_of_the_value() -> None:
    log = await memory_log(key_field="what")
    await log.append("scores", [happening("a", '{"what":"score","n":1}'), happening("a", '{"what":"score","n":2}')])
    ((_, head, (record,)),) = await log.snapshot("scores", 0, EVERYTHING)
    assert (head, record.offset, record.value) == (1, 1, b'{"what":"score","n":2}')
    await log.close()


async def test_records_that_are_no_events_are_kept_and_change_no_room() -> None:
    log = await memory_log()
    await log.append("scores", [keyed("a", "score", "1")])
    bad = [
        Entry(b"", b"1"),
        Entry(b"\xff", b"1"),
        Entry(b"two words", b"1"),
        Entry(b"a", b"no JSON", [("key", b"score")]),
        Entry(b"a", None),
        Entry(b"a", b"1", [("key", b"")]),
    ]
    await log.append("scores", bad)
    assert told(await log.snapshot("scores", 0, EVERYTHING)) == {"a": (0, {b"score": b"1"})}
    reader = Reader(log)
    await reader.until(lambda: len(reader.all("scores")) == 1 + len(bad))
    assert [record.value for record in reader.all("scores")][1:] == [entry.value for entry in bad]
    await log.close()


async def test_a_snapshot_before_an_offset_holds_each_rooms_head_from_before_it() -> None:
    log = await memory_log()
    await log.append("scores", [keyed("a", "score", "1"), keyed("b", "score", "2"), keyed("a", "clock", "3")])
    await log.append("scores", [keyed("a", "score", "4"), keyed("new", "score", "5"), keyed("a", "lap", "6")])
    assert told(await log.snapshot("scores", 0, 3)) == {
        "a": (2, {b"clock": b"3"}),  # the score changed since: that record is handed out by poll
        "b": (1, {b"score": b"2"}),
    }
    assert told(await log.snapshot("scores", 0, 0)) == {}
    await log.close()


async def test_rooms_are_kept_by_partition() -> None:
    log = await memory_log(SqliteSettings(partitions=4))
    rooms = [f"room-{number}" for number in range(20)]
    await log.append("scores", [keyed(room, "score", "1") for room in rooms])
    found = [told(await log.snapshot("scores", partition, EVERYTHING)) for partition in range(4)]
    for partition, one in enumerate(found):
        assert set(one) == {room for room in rooms if log.partition_of(room.encode(), 4) == partition}
    assert sum(map(len, found)) == 20
    assert len([one for one in found if one]) > 1
    await log.close()


async def test_state_survives_retention_and_reopening(tmp_path: Path) -> None:
    now = [10 * HOUR_MS]
    settings = SqliteSettings(retention_s=3600)
    for turn in range(2):
        log = SqliteLog(tmp_path / "log.db", settings, {"scores": None}, now_ms=lambda: now[0])
        await log.open(["scores"], since_ms=0)
        if turn == 0:
            await log.append("scores", [keyed("a", "score", "1"), keyed("a", "clock", "2")])
            now[0] += 2 * HOUR_MS
            await log.append("scores", [keyed("b", "score", "3")])
        reader = Reader(log)
        await reader.until_caught_up("scores")
        if turn == 1:
            assert [record.value for record in reader.all("scores")] == [b"3"]
        assert told(await log.snapshot("scores", 0, 2)) == {"a": (1, {b"score": b"1", b"clock": b"2"})}
        await log.close()
