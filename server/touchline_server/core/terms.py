"""The terms of one partition: which of the log's leaders wrote which offsets.

A term is one reign of a partition's leader. Kafka calls its number the leader epoch, Raft calls it the term. Two
replicas that hold a record of the same offset and term hold the same records up to there. So a cursor that names a
term and an offset can be checked: the log still holds what the client has seen if, and only if, it has records of that
term and no newer term began at or below the offset.

An example. Leader A wrote the offsets 0 to 99 in term 1. It fails, and B, which only has them up to 79, takes over
uncleanly: B's records from 80 on are of term 2. A client with the cursor (1, 90) has seen eleven events that are gone;
term 2 began at 80, so the cursor is refused, however far B's log has grown since. The cursor (1, 79) is honoured.
After a clean election B would have had all of A's records, and term 2 would have begun at 100.

Which term may a client's cursor name? The newest that its log had reached when the client was told: everything up to
the cursor is the same log. It may be newer than the term of the cursor's event. It must not be older: (1, 85) for an
event of term 2 is refused for nothing as long as B's log stands, and if A comes back uncleanly with its own offsets 80
to 99 (term 3 then begins at 100), it would be honoured over other events. So an edge announces a new term with the
first event of it that a room has, and a client keeps the newest that it has seen. For the same reason it is not enough
that no newer term began at or below the offset: after A came back, the log has nothing of term 2, and because of that
the cursor (2, 85) is refused.
"""

from bisect import bisect_left, bisect_right

TERMS_MAX = 100
"""Terms remembered per partition. A cursor of an older one is checked by the log itself."""


class Terms:
    """The terms of a partition that are known, each with its first offset; both rise. ``oldest`` holds at ``start``."""

    __slots__ = ("_starts", "_terms")

    def __init__(self, start: int, oldest: int = 0) -> None:
        self._starts = [start]
        self._terms = [oldest]

    @property
    def oldest(self) -> int:
        """The oldest term that is known."""
        return self._terms[0]

    @property
    def newest(self) -> int:
        """The newest term that is known."""
        return self._terms[-1]

    def begin(self, start: int, term: int) -> None:
        """The records from ``start`` on are of ``term``."""
        keep = min(bisect_left(self._starts, start), bisect_left(self._terms, term))
        keep_from = max(0, keep - TERMS_MAX + 1)
        self._starts = [*self._starts[keep_from:keep], start]
        self._terms = [*self._terms[keep_from:keep], term]

    def cut(self, start: int, term: int) -> None:
        """The log was cut back to ``start``; ``term`` is that of its newest record, in case none is left here."""
        keep = bisect_left(self._starts, start)
        self._starts = self._starts[:keep] or [start]
        self._terms = self._terms[:keep] or [term]

    def at(self, offset: int) -> int:
        """The term of the record at ``offset``, or the oldest that is known."""
        return self._terms[max(0, bisect_right(self._starts, offset) - 1)]

    def end_of(self, term: int) -> int | None:
        """Where the first newer term than ``term`` begins, or None."""
        newer = bisect_right(self._terms, term)
        return self._starts[newer] if newer < len(self._starts) else None

    def hold(self, term: int, after: int) -> bool | None:
        """Whether the log still holds what a client with the cursor (``term``, ``after``) has seen.

        None if that cannot be told from here: nothing is known of the term.
        """
        end = self.end_of(term)
        if end is not None and end <= after:
            return False
        known = bisect_left(self._terms, term)
        return True if known < len(self._terms) and self._terms[known] == term else None
