"""Works out when the clients of a room had an event, from the reads of all of them.

Each read is stored as the pair of the client's byte totals before and after it. At a low rate all clients take the same
steps, so there are hardly more pairs than events, however many clients there are. The result stays exact where a client
reads one event in two parts, or two events at once.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Crossings(NamedTuple):
    """When the first and the last client passed each event's end (0 if none did), and how many clients did."""

    first_ns: list[int]
    last_ns: list[int]
    clients: list[int]


class _Span:
    """All reads between the same two totals."""

    __slots__ = ("clients", "first_ns", "last_ns")

    def __init__(self, now_ns: int) -> None:
        self.first_ns = self.last_ns = now_ns
        self.clients = 0


class ReadSpans:
    """All reads since it was created."""

    def __init__(self) -> None:
        self._spans: dict[tuple[int, int], _Span] = {}

    def note(self, before: int, after: int, now_ns: int) -> None:
        """A read took a client from ``before`` to ``after`` bytes."""
        span = self._spans.get((before, after))
        if span is None:
            span = self._spans[before, after] = _Span(now_ns)
        span.last_ns = now_ns
        span.clients += 1

    def crossings(self, ends_bytes: Sequence[int]) -> Crossings:
        """When the clients passed each of ``ends_bytes``, which must ascend."""
        found = Crossings(*([0] * len(ends_bytes) for _ in range(3)))
        for (before, after), span in self._spans.items():
            for index in range(bisect_right(ends_bytes, before), bisect_right(ends_bytes, after)):
                found.first_ns[index] = min(found.first_ns[index] or span.first_ns, span.first_ns)
                found.last_ns[index] = max(found.last_ns[index], span.last_ns)
                found.clients[index] += span.clients
        return found
