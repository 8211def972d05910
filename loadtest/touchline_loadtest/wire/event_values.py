"""The values that all scenarios publish: each carries the time at which it was due, and has an exact size."""

import re
from collections.abc import Iterator

import msgspec

MARK = b'"due":'
"""Occurs once in every value, and in nothing else that a server sends."""
_STAMP = re.compile(MARK + rb'(\d+),"n":(\d+)')


class Due(msgspec.Struct):
    """The part of a value that is read back: when it was due, in nanoseconds of the monotonic clock."""

    due: int


def event_value(due_ns: int, size_bytes: int, number: int = 0) -> bytes:
    """A JSON object of exactly ``size_bytes`` that decodes to a `Due`. ``number`` tells it from others of its room."""
    head = b'{"due":%d,"n":%d,"pad":"' % (due_ns, number)
    return head + b"x" * (size_bytes - len(head) - 2) + b'"}'


def stamps(data: bytes) -> Iterator[tuple[int, int]]:
    """When each value in ``data`` was due, and its number. For messages whose format the reader does not know."""
    return ((int(found[1]), int(found[2])) for found in _STAMP.finditer(data))


STAMP_BYTES_MAX = 40
"""The longest stamp, with a number of up to ten digits."""


def scan(data: bytes) -> tuple[list[tuple[int, int]], bytes]:
    """The stamps in a piece of a byte stream, and the rest of it, in which another stamp may begin.

    A number that the piece cuts off is read short; nothing else is.
    """
    found = list(_STAMP.finditer(data))
    end = max(found[-1].end() if found else 0, len(data) - STAMP_BYTES_MAX)
    return [(int(stamp[1]), int(stamp[2])) for stamp in found], data[end:]
