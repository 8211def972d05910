"""Room names: ``<feed>:<id>``.

The feed is one of those in the server's configuration. The id is the key of the room's records in the log, so it can
be almost anything that producers use as a record key. Players are named by the same rule.

Rules:

1. The table of code points is complete: nothing depends on the Unicode version of an interpreter, so two edges never
   disagree about a name, and a client in another language needs no Unicode data. Code points that are not assigned yet
   are allowed. The specification has the same table.
2. Names are compared code point by code point, without normalisation: a name is a record's key, and producers choose
   its partition by its bytes.
3. Joiners, variation selectors and tags are allowed: words of Persian and Hindi, families and the flag of England are
   written with them.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from .errors import BadRoom
from .limits import FEED_NAME_CHARS_MAX, ROOM_ID_BYTES_MAX

FEED_NAME = re.compile(rf"[a-z][a-z0-9_-]{{0,{FEED_NAME_CHARS_MAX - 1}}}")
NAMES_KEPT_MAX = 1024
"""How many valid names are cached: thousands of clients ask for the same few. Each takes at most half a kilobyte."""
_SHOWN_CHARS_MAX = 80  # an error quotes no more of an invalid name


class Forbidden(NamedTuple):
    """Code points from ``first`` to ``last``, both included."""

    first: int
    last: int
    reason: str


FORBIDDEN: Sequence[Forbidden] = (
    Forbidden(0x0000, 0x0020, "control characters, space"),
    Forbidden(0x007F, 0x00A0, "control characters, no-break space"),
    Forbidden(0x00AD, 0x00AD, "soft hyphen"),
    Forbidden(0x061C, 0x061C, "direction of text"),
    Forbidden(0x1680, 0x1680, "space"),
    Forbidden(0x180E, 0x180E, "invisible"),
    Forbidden(0x2000, 0x200B, "spaces"),
    Forbidden(0x200E, 0x200F, "direction of text"),
    Forbidden(0x2028, 0x202F, "line separators, direction of text, space"),
    Forbidden(0x205F, 0x206F, "space, invisible, direction of text"),
    Forbidden(0x3000, 0x3000, "space"),
    Forbidden(0xD800, 0xDFFF, "surrogates"),
    Forbidden(0xE000, 0xF8FF, "private use"),
    Forbidden(0xFDD0, 0xFDEF, "noncharacters"),
    Forbidden(0xFEFF, 0xFEFF, "byte-order mark"),
    Forbidden(0xFFF9, 0xFFFB, "invisible"),
    *(Forbidden(plane + 0xFFFE, plane + 0xFFFF, "noncharacters") for plane in range(0, 0xF0000, 0x10000)),
    Forbidden(0xE0001, 0xE0001, "invisible"),
    Forbidden(0xF0000, 0x10FFFF, "private use, noncharacters"),
)
"""Code points that nobody sees, that are not text, or that make text look like other text."""

_FORBIDDEN = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last, _ in FORBIDDEN) + "]")


def is_name(text: str, bytes_max: int) -> bool:
    """Whether ``text`` is a name: 1 to ``bytes_max`` bytes of UTF-8, without a character of `FORBIDDEN`."""
    if text.isascii():  # nearly all names; faster than the expression, and the same in every version of Unicode
        return 0 < len(text) <= bytes_max and text.isprintable() and " " not in text
    return _FORBIDDEN.search(text) is None and len(text.encode()) <= bytes_max


def forbidden_in(text: str) -> str | None:
    """The first forbidden character in ``text``, as ``U+200B``; None if there is none."""
    match = _FORBIDDEN.search(text)
    return None if match is None else f"U+{ord(match[0]):04X}"


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
            f"printable id of 1 to {ROOM_ID_BYTES_MAX} bytes without spaces" + _hint(room)
        )
    return feed, room_id


def _hint(room: str) -> str:
    """What in an invalid name is easily overlooked, or meant something else."""
    if "*" in room:
        return "; a name with * is a pattern, which only tokens have: name each room in full"
    forbidden = forbidden_in(room)
    return f"; {forbidden} is not allowed in names" if forbidden else ""
