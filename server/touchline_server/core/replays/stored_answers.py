"""What can be made of a room store's answer about a room: asked for, judged, and where the room turned out to live.

A store that another process fills may be ahead of this edge or behind it, in each of a room's partitions, and may know
records that the log has lost again. See `core.room_store`.
"""

from touchline_protocol.rooms import split_room
from touchline_server.core.clients.client import ClientHub, ClientRoom
from touchline_server.core.effects import LoadRoom, Owner
from touchline_server.core.room_store import NotYet, OtherPartition, RoomKey, Seen, StoredRoom, other_keys
from touchline_server.core.rooms.contents import Contents
from touchline_server.core.rooms.partition_window import PartitionWindow


def load_room(hub: ClientHub[Owner], room: ClientRoom[Owner], number: int) -> LoadRoom:
    """The request to the store for a room."""
    contents = room.contents
    window = contents.window
    feed, room_id = split_room(room.name)
    partitions = len(hub.feeds[feed].windows)
    key = RoomKey(window.topic, window.topic_epoch, window.partition, room_id, partitions)
    return LoadRoom(number, key, contents.stored_before)


def is_ahead(contents: Contents, answer: StoredRoom) -> bool:
    """Whether an answer has records that this edge has not read yet: keys would be missing that these have set."""
    window, seen = contents.window, answer.seen
    return seen is not None and (seen.newest >= window.next_offset or seen.term > window.term)


def why_unusable(hub: ClientHub[Owner], room: ClientRoom[Owner], answer: StoredRoom) -> NotYet | None:
    """Why an answer cannot be taken in; None if it can, once this edge has read as far."""
    feed = hub.feeds[split_room(room.name)[0]]
    for built in (answer.built_with, *(other.built_with for other in answer.others if other.newest >= 0)):
        if why := other_keys(feed.feed.name, feed.feed.key_field, built):
            return NotYet(why)
    if not _holds(room.contents.window, answer.seen):
        return NotYet("it has records that the log may have lost again")
    for other in answer.others:
        window = feed.windows.get(other.partition)  # a partition that was just added is read from its beginning
        why = None if window is None else _why_missing(window, other, is_unread=other.partition in feed.unread)
        if why is not None:
            return NotYet(why)
    return None


def is_usable(hub: ClientHub[Owner], room: ClientRoom[Owner], answer: StoredRoom) -> bool:
    """Whether an answer can be taken in now."""
    return why_unusable(hub, room, answer) is None and not is_ahead(room.contents, answer)


def home_elsewhere(hub: ClientHub[Owner], room: ClientRoom[Owner], answer: StoredRoom) -> int | None:
    """The partition that a room lives in, if this edge has no records of it and the store has some only elsewhere.

    Until then the edge took it to be where producers are expected to put it. They may have another partitioner, or the
    room has been silent since partitions were added.
    """
    windows = hub.feeds[split_room(room.name)[0]].windows
    has_home = answer.head is not None or (answer.seen is not None and answer.seen.newest >= 0)
    found = [other for other in answer.others if other.newest >= 0 and other.partition in windows]
    if has_home or room.contents.has_records or not found:
        return None
    return max(found, key=lambda other: (other.ts, other.partition)).partition


def _why_missing(window: PartitionWindow, other: OtherPartition, *, is_unread: bool) -> str | None:
    """Why records of a room may be missing in another partition than its home; None if they are not."""
    where, needed = f"partition {other.partition} of {window.topic}", window.rooms_known_after + 1
    if other.next_offset < needed:
        return f"{where} is kept up to {other.next_offset}, not to {needed}"
    if is_unread and other.newest >= 0:
        return f"{where} cannot be read yet"
    if not _holds(window, other.seen):
        return f"it has records of {where} that the log may have lost again"
    return None


def _holds(window: PartitionWindow, seen: Seen | None) -> bool:
    """Whether it is known that the log still holds all records that a store has seen of a partition.

    It is not if the store has come exactly to where this edge began, and that record was of an older term than the next
    one: the log may have been cut back below it. Keepers settle that with the next record.
    """
    return seen is None or window.terms.hold(seen.term, seen.written - 1) is True
