"""The values that all scenarios publish: each carries the time at which it was due, and has an exact size."""

import msgspec


class Due(msgspec.Struct):
    """The part of a value that is read back: when it was due, in nanoseconds of the monotonic clock."""

    due: int


def event_value(due_ns: int, size_bytes: int) -> bytes:
    """A JSON object of exactly ``size_bytes`` that decodes to a `Due`."""
    head = b'{"due":%d,"pad":"' % due_ns
    return head + b"x" * (size_bytes - len(head) - 2) + b'"}'
