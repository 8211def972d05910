"""Room names: ``<feed>:<id>``.

The feed is one of those in the server's configuration. The id is the key of the room's records in the log, so it can
be almost anything that producers use as a record key.
"""

import re
from functools import lru_cache

from .errors import BadRoom
from .limits import FEED_NAME_CHARS_MAX, ROOM_ID_BYTES_MAX
from .names import forbidden_in, is_name

FEED_NAME = re.compile(rf"[a-z][a-z0-9_-]{{0,{FEED_NAME_CHARS_MAX - 1}}}")
NAMES_KEPT_MAX = 1024
"""How many valid names are cached: thousands of clients ask for the same few. Each takes at most half a kilobyte."""
_SHOWN_CHARS_MAX = 80  # an error quotes no more of an invalid name


def is_feed_name(name: str) -> bool:
    """Whether ``name`` is a valid feed name: a lower-case letter, then lower-case letters, digits, ``_`` and ``-``."""
    return FEED_NAME.fullmatch(name) is not None


def is_room_id(room_id: str) -> bool:
    """Whether ``room_id`` may follow the colon: 1 to 128 bytes of UTF-8, with the characters that names may contain.

    ``*`` is not one of them: it stands for other characters in a token's patterns.
    """
    return "*" not in room_id and is_name(room_id, ROOM_ID_BYTES_MAX)


@lru_cache(NAMES_KEPT_MAX)
def split_room(room: str) -> tuple[str, str]:
    """Split a room name into feed and id.

    Raises:
        BadRoom: the name is invalid; the message describes a valid one.
    """
    feed, colon, room_id = room.partition(":")
    if not colon or not is_feed_name(feed) or not is_room_id(room_id):
        shown = room if len(room) <= _SHOWN_CHARS_MAX else room[:_SHOWN_CHARS_MAX] + "…"
        raise BadRoom(
            f"{shown!r} is not a room name: write <feed>:<id>, such as score:15946, with the feed in lower case and a "
            f"printable id of 1 to {ROOM_ID_BYTES_MAX} bytes without spaces" + _hint(room_id)
        )
    return feed, room_id


def _hint(room_id: str) -> str:
    """What in an invalid id is easily overlooked, or meant something else."""
    if "*" in room_id:
        return "; a name with * is a pattern, which only tokens have: subscribe to each room by its name"
    forbidden = forbidden_in(room_id)
    return f"; {forbidden} is not allowed in names" if forbidden else ""
