"""Reading back: a feed's older records, which come newest first, become state of its rooms and nothing else.

Rules:

1. Newer events stay (`Contents.keep_older`). So the state is right at any time, and only incomplete.
2. While any partition of a feed is read back, the state of the rooms concerned is not known: nobody joins them, and
   they are not forgotten, since an older value could then take the place of what was forgotten.
3. A room that only its history knows lives in the partition of its records; of several, in the one that `moves` says.
4. A record that makes no event is not reported: it may be a day old, and every start would report it again.
"""

from collections.abc import Callable, Sequence

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record, parse_event, unchecked_header_key

from .contents import Contents
from .feed import Feed
from .partition_window import PartitionWindow, RoomEvent, room_event


def take_history(
    records: Sequence[Record],
    window: PartitionWindow,
    feed: Feed,
    *,
    room_of: Callable[[bytes | None], Contents],
    is_move: Callable[[Contents, RoomEvent], bool],
) -> None:
    """Take in records of a partition that are older than all that came of it before.

    ``room_of`` finds or makes the room of a record's key, and raises `BadRecord` if there cannot be one. ``is_move`` is
    asked for the newest event of a partition that is not its room's home.
    """
    for record in reversed(records):
        try:
            contents = room_of(record.key)
            if contents.history_read:
                continue
            is_home = contents.window is window
            is_newest = contents.older_head is None if is_home else not contents.had_records_in(window.partition)
            if not is_newest and not _may_be_news(contents, window, record, feed.key_field):
                continue
            key, value = parse_event(record, feed.key_field)
        except BadRecord:
            continue
        traceparent = feed.traceparent_of(record)
        event = room_event(contents, window, record.offset, key, record.timestamp, value, traceparent=traceparent)
        if is_newest:
            if not is_home and not contents.pending and is_move(contents, event):
                contents.adopt(event)
            if contents.window is window:
                contents.found_older(event)
        contents.keep_older(event)


def _may_be_news(contents: Contents, window: PartitionWindow, record: Record, key_field: str | None) -> bool:
    """Whether the record's value is worth parsing: for most, a newer one is known, and a header names their key."""
    key = unchecked_header_key(record.headers)
    if key is None:
        return key_field is not None
    return not contents.knows(key, window, record.offset)
