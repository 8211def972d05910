"""Compares the embedded log with plain lists, over generated appends, polls and trims."""

import asyncio
from collections import defaultdict
from typing import Literal, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from support.log_harness import Reader, as_raw, read_all
from support.thoroughness import examples
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import parse_record
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import Entry, OffsetOutOfRange, OffsetsLost
from touchline_server.core.room_store import RoomKey, StoredRoom
from touchline_server.log.sqlite import reader as sqlite_reader
from touchline_server.log.sqlite.log import SqliteLog
from touchline_server.log.sqlite.records import StoredRecord
from touchline_server.log.sqlite.retention import trim

NOW_MS = 1_800_000_000_000

Step: TypeAlias = list[Entry] | Literal["poll"] | int

entries = st.builds(
    Entry,
    key=st.sampled_from([b"a", b"b", b"c", b"", b"no room"]),
    value=st.sampled_from([None, b"1", b'{"x":[2]}', b"null", b"no JSON", b"[" * 50]),
    headers=st.sampled_from([(), [("key", b"k1")], [("key", b"k2"), ("other", b"\xff")], [("key", b"")]]),
    timestamp=st.sampled_from([NOW_MS - 2, NOW_MS - 1, NOW_MS]),
)
step: st.SearchStrategy[Step] = st.one_of(st.lists(entries, max_size=6), st.just("poll"), st.integers(0, 30))
steps = st.lists(step, max_size=25)
"""Each step appends entries, polls, or trims partition 0 below an offset."""


class Model:
    """The records that the log should hold."""

    def __init__(self, log: SqliteLog, partitions: int) -> None:
        self.log = log
        self.records: list[list[StoredRecord]] = [[] for _ in range(partitions)]
        self.first = [0] * partitions

    async def append(self, appended: list[Entry]) -> None:
        positions = []
        for entry in appended:
            number = self.log.partition_of(entry.key, len(self.records))
            records = self.records[number]
            positions.append((number, len(records)))
            assert entry.timestamp is not None
            records.append(StoredRecord(len(records), entry.timestamp, entry.key, entry.value, list(entry.headers)))
        assert await self.log.append("t", appended) == positions

    async def trim(self, before: int) -> None:
        if self.first[0] < before <= len(self.records[0]):
            self.first[0] = before
            await self.log._store.call(lambda store: trim(store, store.topics["t"].partitions[0], before))

    def rooms(self, number: int, before: int) -> dict[str, tuple[int, list[StoredRecord]]]:
        """Each room's head below an offset, and its state without the keys that later records set or removed."""
        heads: dict[str, int] = {}
        state: dict[str, dict[str, StoredRecord | None]] = defaultdict(dict)
        for record in self.records[number]:
            try:
                parsed = parse_record(record)
            except BadRecord:
                continue
            if record.offset < before:
                heads[parsed.room_id] = record.offset
            if parsed.key is not None:
                kept = parsed.value != b"null" and record.offset < before
                state[parsed.room_id][parsed.key] = record if kept else None
        return {
            room: (head, sorted(record for record in state[room].values() if record)) for room, head in heads.items()
        }

    async def check(self, reader: Reader, before: int) -> None:
        epoch = reader.epochs["t"]
        for number, records in enumerate(self.records):
            first = self.first[number]
            assert await self.log.end("t", epoch, number) == len(records)
            read = await read_all(
                self.log, "t", epoch, number, after=first - 1, up_to=len(records) - 1, records_max=before + 1
            )
            assert [as_raw(record) for record in read] == [as_raw(record) for record in records[first:]]
            if first:
                try:
                    await self.log.read("t", epoch, number, after=first - 2, up_to=first, records_max=1)
                except OffsetOutOfRange:
                    pass
                else:
                    raise AssertionError("the log returned records that retention removed")
            if first <= before:
                names = {(record.key or b"").decode(errors="replace") for record in self.records[number]}
                found = {name: await self.log.load(RoomKey("t", epoch, number, name), before=before) for name in names}
                assert {
                    name: (room.head, sorted(room.state, key=lambda record: record.offset))
                    for name, room in found.items()
                    if isinstance(room, StoredRoom)
                } == self.rooms(number, before)


async def run(script: list[Step], partitions: int, before: int) -> None:
    log = SqliteLog(None, SqliteSettings(partitions=partitions), {"t": None}, now_ms=lambda: NOW_MS)
    await log.open(["t"], since_ms=0)
    try:
        model, reader = Model(log, partitions), Reader(log)
        reader.take(await log.poll())
        for step in script:
            if isinstance(step, list):
                await model.append(step)
            elif isinstance(step, int):
                await model.trim(step)
            elif log._reader.ready:
                reader.take(await log.poll())
        await reader.until(
            lambda: all(reader.next["t", number] == len(records) for number, records in enumerate(model.records))
        )
        for number in range(partitions):
            for record in reader.records["t", number]:
                assert record == model.records[number][record.offset]
        missing = {
            (number, record.offset)
            for number, records in enumerate(model.records)
            for record in records
            if record not in reader.records["t", number]
        }
        assert missing <= {(0, offset) for offset in range(model.first[0])}, "a record is missing that was not trimmed"
        assert bool(missing) == bool(reader.events_of(OffsetsLost, "t"))
        await model.check(reader, before)
    finally:
        await log.close()


@settings(max_examples=examples(1.5))
@given(script=steps, partitions=st.integers(1, 3), before=st.integers(0, 40))
def test_the_log_is_a_list_for_each_partition(script: list[Step], partitions: int, before: int) -> None:
    asyncio.run(run(script, partitions, before))


@given(script=steps)
def test_the_log_is_a_list_for_a_reader_that_never_keeps_up(script: list[Step]) -> None:
    kept = sqlite_reader.TAIL_BYTES_MAX, sqlite_reader.POLL_RECORDS_MAX
    sqlite_reader.TAIL_BYTES_MAX, sqlite_reader.POLL_RECORDS_MAX = 200, 2
    try:
        asyncio.run(run(script, 1, 10))
    finally:
        sqlite_reader.TAIL_BYTES_MAX, sqlite_reader.POLL_RECORDS_MAX = kept
