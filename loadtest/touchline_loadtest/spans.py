"""When the clients of a room had an event, from the reads of all of them.

A read is noted by the numbers of bytes that the client had before and after it. At a low rate all clients take the same
steps, so there are hardly more of these than events, however many clients there are; and where a client takes an event
in two reads, or two in one, it is still exact when it passed an event's end.

Pure: numbers and times in, times out.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Passed(NamedTuple):
    """For each event's end when the first and the last client passed it, 0 where none did, and how many did."""

    first_ns: list[int]
    last_ns: list[int]
    clients: list[int]


class _Span:
    """The reads of one step."""

    __slots__ = ("clients", "first_ns", "last_ns")

    def __init__(self, now_ns: int) -> None:
        self.first_ns = self.last_ns = now_ns
        self.clients = 0


class Spans:
    """The reads that were noted."""

    def __init__(self) -> None:
        self._spans: dict[tuple[int, int], _Span] = {}

    def note(self, before: int, after: int, now_ns: int) -> None:
        """A client that had ``before`` bytes has ``after`` now."""
        span = self._spans.get((before, after))
        if span is None:
            span = self._spans[before, after] = _Span(now_ns)
        span.last_ns = now_ns
        span.clients += 1

    def passed(self, ends_bytes: Sequence[int]) -> Passed:
        """When the clients passed each of ``ends_bytes``, which rise."""
        passed = Passed(*([0] * len(ends_bytes) for _ in range(3)))
        for (before, after), span in self._spans.items():
            for place in range(bisect_right(ends_bytes, before), bisect_right(ends_bytes, after)):
                passed.first_ns[place] = min(passed.first_ns[place] or span.first_ns, span.first_ns)
                passed.last_ns[place] = max(passed.last_ns[place], span.last_ns)
                passed.clients[place] += span.clients
        return passed
