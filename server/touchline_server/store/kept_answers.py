"""What an edge gets of a room, from what is kept of it in each partition: the same for all stores that keepers fill."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from touchline_protocol.records import KEY_HEADER, Record
from touchline_server.core.room_keeping import NULL, KeptEntry
from touchline_server.core.room_store import BuiltWith, NotYet, OtherPartition, RoomKey, Seen, StoredRoom


class KeptRecord(NamedTuple):
    """The newest record of an event key. It satisfies `touchline_protocol.records.Record`."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class KeptAnswer(NamedTuple):
    """What is kept of a room in one partition, with the partition's progress."""

    build: str
    next_offset: int
    written: int
    term: int
    complete: bool
    head: int
    ts: int
    full: bool
    entries: Mapping[str, KeptEntry]
    built_with: BuiltWith | None


def stored_room(
    key: RoomKey, count: int, home: KeptAnswer | None, others: Mapping[int, KeptAnswer | None], before: int
) -> StoredRoom | NotYet:
    """The room as an edge needs it, from what is kept of it in its home partition and in ``others``.

    ``count``: how many partitions of the topic keepers have seen.
    """
    if count < key.partitions:
        return NotYet(f"keepers know {count} partitions of {key.topic}, and it has {key.partitions}")
    if home is None:
        if before > 0:
            return NotYet(f"no keeper has kept {key.topic}, partition {key.partition}")
        home = KeptAnswer("", 0, 0, -1, True, -1, 0, False, {}, None)
    elif home.next_offset < before:
        return NotYet(f"{key.topic}, partition {key.partition} is kept up to {home.next_offset}, not to {before}")
    known = {index: other for index, other in others.items() if other is not None}
    merged: dict[str, KeptEntry] = {}
    for _, other in sorted(known.items(), key=lambda item: (item[1].ts, item[0])):
        merged |= other.entries
    elsewhere = {name: entry for name, entry in merged.items() if name not in home.entries and entry.value != NULL}
    state = {name: entry for name, entry in home.entries.items() if entry.offset < before and entry.value != NULL}
    return StoredRoom(
        head=home.head if 0 <= home.head < before else None,
        state=_records(key, state),
        complete=all(one.complete and not one.full for one in (home, *known.values())),
        seen=_seen(home),
        elsewhere=_records(key, elsewhere),
        others=[_other(index, other) for index, other in others.items()],
        built_with=home.built_with,
    )


def _seen(answer: KeptAnswer) -> Seen | None:
    return Seen(answer.head, answer.written, answer.term) if answer.term >= 0 else None


def _other(index: int, answer: KeptAnswer | None) -> OtherPartition:
    if answer is None:
        return OtherPartition(index, 0)
    return OtherPartition(index, answer.next_offset, answer.head, answer.ts, _seen(answer), answer.built_with)


def _records(key: RoomKey, entries: Mapping[str, KeptEntry]) -> list[Record]:
    room_id = key.room_id.encode()
    ordered = sorted(entries.items(), key=lambda item: item[1].offset)
    return [
        KeptRecord(entry.offset, entry.ts, room_id, entry.value, ((KEY_HEADER, name.encode()),))
        for name, entry in ordered
    ]
