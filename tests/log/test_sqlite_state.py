"""The embedded log as a room store: the heads and states of rooms."""

import time
from pathlib import Path

import pytest

from support.log_harness import Raw, Reader, as_raw
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import CaughtUp, Entry, History, HistoryBegan, HistoryRead, LogEvent, ReadBack
from touchline_server.core.room_store import NotYet, RoomKey, StoredRoom
from touchline_server.log.sqlite.log import SqliteLog

HOUR_MS = 3_600_000
EVERYTHING = 1 << 40
"""An offset above all others."""

State = dict[str, tuple[int | None, dict[bytes | None, bytes | None]]]


def keyed(room: str, key: str, value: str | None) -> Entry:
    return Entry(room.encode(), None if value is None else value.encode(), [("key", key.encode())])


def keyless(room: str, value: str = "0") -> Entry:
    return Entry(room.encode(), value.encode())


async def load(
    log: SqliteLog, room: str, before: int = EVERYTHING, *, partition: int = 0, epoch: str | None = None
) -> StoredRoom | NotYet | None:
    key = RoomKey("scores", epoch or await epoch_of(log), partition, room)
    return await log.load(key, before=before)


async def epoch_of(log: SqliteLog) -> str:
    return await log._store.call(lambda store: store.topics["scores"].epoch)


async def loaded(log: SqliteLog, *rooms: str, before: int = EVERYTHING, partition: int = 0) -> State:
    """The head of each known room, and the values of its event keys."""
    found = {room: await load(log, room, before, partition=partition) for room in rooms}
    return {
        room: (one.head, {dict(record.headers).get("key"): record.value for record in one.state})
        for room, one in found.items()
        if isinstance(one, StoredRoom)
    }


async def memory_log(settings: SqliteSettings | None = None, key_field: str | None = None) -> SqliteLog:
    log = SqliteLog(None, settings or SqliteSettings(), {"scores": key_field})
    await log.open(["scores"], since_ms=0)
    return log


async def test_a_room_has_its_head_and_the_newest_event_of_each_key() -> None:
    log = await memory_log()
    await log.append(
        "scores",
        [keyed("a", "score", "1"), keyed("a", "clock", "2"), keyed("b", "score", "3"), keyed("a", "score", "4")],
    )
    await log.append("scores", [keyless("a")])
    assert await loaded(log, "a", "b", "new") == {
        "a": (4, {b"score": b"4", b"clock": b"2"}),
        "b": (2, {b"score": b"3"}),
    }
    await log.close()


async def test_a_log_that_stores_its_rooms_is_not_read_back(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db", SqliteSettings(), {"scores": None})
    later_ms = time.time_ns() // 1_000_000 + 60_000
    await log.open(["scores"], since_ms=0)
    await log.append("scores", [keyed("a", "score", "1")])
    await log.close()
    await log.open(["scores"], since_ms=later_ms, read_back=ReadBack(["scores"], 0, 1_000, 60.0))
    events: list[LogEvent] = []
    while not any(isinstance(event, CaughtUp) for event in events):
        events += await log.poll()
    assert not any(isinstance(event, HistoryBegan | History | HistoryRead) for event in events)
    await log.close()


async def test_records_in_the_state_are_complete() -> None:
    log = await memory_log()
    entry = Entry(b"a", b'{"home":1}', [("trace", b"\xff"), ("key", b"score")], 1_700_000_000_000)
    await log.append("scores", [keyless("a"), entry])
    room = await load(log, "a")
    assert isinstance(room, StoredRoom)
    (record,) = room.state
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
    assert await loaded(log, "a", "b", "new") == {"a": (2, {b"clock": b"2"})}
    await log.append("scores", [keyed("a", "score", "5")])
    assert await loaded(log, "a", "b", "new") == {"a": (3, {b"clock": b"2", b"score": b"5"})}
    await log.close()


async def test_the_key_may_be_a_field_of_the_value() -> None:
    log = await memory_log(key_field="what")
    await log.append("scores", [keyless("a", '{"what":"score","n":1}'), keyless("a", '{"what":"score","n":2}')])
    room = await load(log, "a")
    assert isinstance(room, StoredRoom)
    (record,) = room.state
    assert (room.head, record.offset, record.value) == (1, 1, b'{"what":"score","n":2}')
    await log.close()


async def test_invalid_events_are_kept_but_change_no_room() -> None:
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
    assert await loaded(log, "a", "b", "new") == {"a": (0, {b"score": b"1"})}
    reader = Reader(log)
    await reader.until(lambda: len(reader.all("scores")) == 1 + len(bad))
    assert [record.value for record in reader.all("scores")][1:] == [entry.value for entry in bad]
    await log.close()


async def test_a_room_before_an_offset_has_its_head_as_of_that_offset() -> None:
    log = await memory_log()
    await log.append("scores", [keyed("a", "score", "1"), keyed("b", "score", "2"), keyed("a", "clock", "3")])
    await log.append("scores", [keyed("a", "score", "4"), keyed("new", "score", "5"), keyed("a", "lap", "6")])
    assert await loaded(log, "a", "b", "new", before=3) == {
        "a": (2, {b"clock": b"3"}),  # the score changed later, in a record that poll returns
        "b": (1, {b"score": b"2"}),
    }
    assert await loaded(log, "a", "b", "new", before=0) == {}
    await log.close()


async def test_rooms_are_stored_by_partition() -> None:
    log = await memory_log(SqliteSettings(partitions=4))
    rooms = [f"room-{number}" for number in range(20)]
    await log.append("scores", [keyed(room, "score", "1") for room in rooms])
    found = [await loaded(log, *rooms, partition=partition) for partition in range(4)]
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
        assert await loaded(log, "a", "b", "new", before=2) == {"a": (1, {b"score": b"1", b"clock": b"2"})}
        await log.close()


async def test_rooms_of_another_epoch_or_partition_are_unknown_and_not_empty() -> None:
    log = await memory_log()
    await log.append("scores", [keyed("a", "score", "1")])
    assert isinstance(await load(log, "a"), StoredRoom)
    assert await load(log, "b") is None
    assert isinstance(await load(log, "a", epoch="another"), NotYet)
    assert isinstance(await load(log, "a", partition=1), NotYet)
    assert isinstance(await log.load(RoomKey("no-topic", "e", 0, "a"), before=EVERYTHING), NotYet)
    await log.close()


async def test_reading_from_the_start_after_retention_returns_what_compaction_would_keep(
    tmp_path: Path,
) -> None:
    now = [10 * HOUR_MS]
    settings = SqliteSettings(retention_s=3600)
    log = SqliteLog(tmp_path / "log.db", settings, {"scores": None}, now_ms=lambda: now[0])
    await log.open([], since_ms=0)
    await log.append("scores", [keyed("a", "score", "1"), keyed("b", "score", "2"), keyed("a", "score", "3")])
    now[0] += 2 * HOUR_MS
    await log.append("scores", [keyed("b", "score", "4")])
    await log.close()
    for from_start in ([], ["scores"]):
        log = SqliteLog(tmp_path / "log.db", settings, {"scores": None}, now_ms=lambda: now[0])
        await log.open(["scores"], since_ms=0, from_start=from_start)
        reader = Reader(log)
        await reader.until_caught_up("scores")
        values = [record.value for record in reader.all("scores")]
        assert values == ([b"3", b"4"] if from_start else [b"4"])
        await log.close()


async def kept_with(path: Path, key_field: str | None, now: list[int], *entries: Entry) -> StoredRoom:
    """Append to the room ``a`` with this key field; returns the room as it is known then."""
    settings = SqliteSettings(retention_s=3600)
    log = SqliteLog(path, settings, {"scores": key_field}, now_ms=lambda: now[0])
    await log.open([], since_ms=0)
    await log.append("scores", entries)
    room = await load(log, "a")
    await log.close()
    assert isinstance(room, StoredRoom)
    return room


def values_of(room: StoredRoom) -> list[bytes]:
    return sorted(record.value or b"" for record in room.state)


async def test_another_key_field_makes_other_states_of_the_same_records(tmp_path: Path) -> None:
    path, now = tmp_path / "log.db", [10 * HOUR_MS]
    one, two, three = (b'{"x":"1","y":"1"}', b'{"x":"1","y":"2"}', b'{"x":"2","y":"2"}')
    room = await kept_with(path, "x", now, *(keyless("a", value.decode()) for value in (one, two, three)))
    assert (values_of(room), room.complete) == ([two, three], True)
    room = await kept_with(path, "y", now)
    assert (values_of(room), room.head, room.complete) == ([one, three], 2, True)
    room = await kept_with(path, None, now, keyed("a", "k", "null"))
    assert (values_of(room), room.head, room.complete) == ([], 3, True)
    assert values_of(await kept_with(path, "x", now)) == [two, three]


async def test_states_are_incomplete_if_records_are_gone_that_had_other_keys(tmp_path: Path) -> None:
    path, now = tmp_path / "log.db", [10 * HOUR_MS]
    one, two = b'{"x":"1","y":"1"}', b'{"x":"1","y":"2"}'
    room = await kept_with(path, "x", now, *(keyless("a", value.decode()) for value in (one, two)))
    assert (values_of(room), room.complete) == ([two], True)
    now[0] += 2 * HOUR_MS
    await kept_with(path, "x", now, keyless("b"))
    room = await kept_with(path, "y", now)
    assert (values_of(room), room.complete) == ([two], False)
    assert not (await kept_with(path, "y", now)).complete
