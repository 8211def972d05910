"""Room names: ``<feed>:<id>``.

The feed is one that the server is configured with; the id is the key of the room's records in the log, so it may be
nearly anything that a producer keys its records by.
"""

import re
from functools import lru_cache

from .errors import BadRoom
from .limits import FEED_NAME_CHARS_MAX, ROOM_ID_BYTES_MAX

FEED_NAME = re.compile(rf"[a-z][a-z0-9_-]{{0,{FEED_NAME_CHARS_MAX - 1}}}")
NAMES_KEPT_MAX = 1024
"""Names that were found to be right: thousands of clients ask for the same few. At most half a kilobyte each."""
_SHOWN_CHARS_MAX = 80  # of a wrong name, in the error that it gets


def is_feed_name(name: str) -> bool:
    """Whether ``name`` may name a feed: a lower-case letter, then letters, digits, ``_`` and ``-``."""
    return FEED_NAME.fullmatch(name) is not None


def is_room_id(room_id: str) -> bool:
    """Whether ``room_id`` may follow the colon: 1 to 128 bytes of UTF-8, printable, without a space."""
    if not room_id.isprintable() or " " in room_id:
        return False
    return 0 < len(room_id.encode()) <= ROOM_ID_BYTES_MAX


@lru_cache(NAMES_KEPT_MAX)
def split_room(room: str) -> tuple[str, str]:
    """Split a room name into feed and id.

    Raises:
        BadRoom: it is no room name; the message says what one looks like.
    """
    feed, colon, room_id = room.partition(":")
    if not colon or not is_feed_name(feed) or not is_room_id(room_id):
        shown = room if len(room) <= _SHOWN_CHARS_MAX else room[:_SHOWN_CHARS_MAX] + "…"
        raise BadRoom(
            f"{shown!r} is no room name: it must read <feed>:<id>, as score:15946, the feed in lower case and the id "
            f"printable, without spaces, of 1 to {ROOM_ID_BYTES_MAX} bytes"
        )
    return feed, room_id
