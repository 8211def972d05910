"""Makes events of records that come from elsewhere than the live log: from a room store, or read again for catch-ups.

They are in no window. A record that makes no event becomes a `Skip`, unless it was reported when it was first read.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record, parse_event
from touchline_protocol.rooms import split_room
from touchline_server.core.room_store import StoredRoom
from touchline_server.core.terms import Terms

from .contents import BEFORE_ALL, Contents
from .feed import Feed
from .keyed_state import StoredEvents
from .partition_window import PartitionWindow, RoomEvent, room_event


class Skip(NamedTuple):
    """A record that was skipped, with its position and why."""

    topic: str
    partition: int
    offset: int
    reason: str
    message: str


def skip_of(window: PartitionWindow, record: Record, error: BadRecord) -> Skip:
    """The record of a partition that cannot become an event."""
    return Skip(window.topic, window.partition, record.offset, error.reason, str(error))


def stored_events(contents: Contents, stored: StoredRoom, feed: Feed) -> tuple[StoredEvents, list[Skip]]:
    """The events that a room store knows of a room, and the records that make none."""
    skips: list[Skip] = []

    def events_of(records: Iterable[Record]) -> Iterator[RoomEvent]:
        for record in records:
            try:
                key, value = parse_event(record, feed.key_field)
            except BadRecord as error:
                skips.append(skip_of(contents.window, record, error))
            else:
                yield _event(contents, contents.window, record, key, value, feed)

    state, elsewhere = list(events_of(stored.state)), list(events_of(stored.elsewhere))
    return StoredEvents(stored.head, state, elsewhere, stored.partitions, stored.complete), skips


def replayed_events(
    contents: Contents, window: PartitionWindow, records: Iterable[Record], prev: int | None, feed: Feed
) -> list[RoomEvent]:
    """The events of a room among records; ``prev`` is the offset of the event before them, None if not known."""
    wanted = split_room(contents.name)[1].encode()
    events: list[RoomEvent] = []
    for record in records:
        try:
            if record.key != wanted:
                continue
            key, value = parse_event(record, feed.key_field)
        except BadRecord:
            continue
        event = _event(contents, window, record, key, value, feed)
        event.prev, prev = prev, event.offset
        events.append(event)
    return events


def announce(
    events: list[RoomEvent], window: PartitionWindow, chunk_terms: Sequence[tuple[int, int]], known: int
) -> list[RoomEvent]:
    """Let the first event of a newer term than clients know announce the newest one that this edge knows.

    ``chunk_terms`` are the terms of the records that were read, ``known`` is what the clients know.
    """
    terms = Terms(BEFORE_ALL, known)
    for start, term in chunk_terms:
        terms.begin(start, term)
    epoch = window.epoch_of(max(window.term, terms.newest))
    is_announced = False
    for event in events:
        event.epoch = epoch
        event.announces = not is_announced and terms.at(event.offset) > known
        is_announced = is_announced or event.announces
    return events


def _event(
    contents: Contents, window: PartitionWindow, record: Record, key: str | None, value: bytes, feed: Feed
) -> RoomEvent:
    traceparent = feed.traceparent_of(record)
    return room_event(contents, window, record.offset, key, record.timestamp, value, traceparent=traceparent)
