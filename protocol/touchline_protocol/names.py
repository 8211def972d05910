"""Which characters a room's id and a player's id may contain. The specification has the same table.

Rules:

1. The table is complete: nothing depends on the Unicode version of an interpreter, so two edges never disagree about a
   name, and a client in another language needs no Unicode data. Code points that are not assigned yet are allowed.
2. Names are compared code point by code point, without normalisation: a name is a record's key, and producers choose
   its partition by its bytes.
3. Joiners, variation selectors and tags are allowed: words of Persian and Hindi, families and the flag of England are
   written with them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple


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
