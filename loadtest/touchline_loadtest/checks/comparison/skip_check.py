"""Which of a client's events may be left out, and whether `skipped` has named exactly those. Pure."""

from collections.abc import Iterator, Set

from touchline_loadtest.checks.partition_log import PartitionLog
from touchline_loadtest.checks.trace import Skipped
from touchline_protocol.messages import Deliver


class _Seen:
    """A `skipped`, and the events of its range that have been left out so far."""

    def __init__(self, skipped: Skipped) -> None:
        self.skipped = skipped
        self.count = 0
        self.first: int | None = None
        self.last: int | None = None


class SkipCheck:
    """The ranges that were announced since the client last joined.

    ``keys`` are those whose newest event was left out: the client learns their value with a later event.
    """

    def __init__(self, deliver: Deliver, *, shows_skips: bool, compacted: bool, slack_ms: float) -> None:
        self._deliver = deliver
        self._shows_skips = shows_skips
        self._compacted = compacted
        self._slack_ms = slack_ms
        self._pending: list[_Seen] = []
        self._keys: set[str] = set()

    @property
    def keys(self) -> Set[str]:
        return self._keys

    def announce(self, skipped: Skipped) -> str:
        """A `skipped` arrived. Returns what is wrong with it by itself."""
        self._pending.append(_Seen(skipped))
        if skipped.left_out == 0 and not self._compacted:
            return f"{skipped}, but the log is not compacted"
        if skipped.left_out and self._deliver == "all":
            return f"{skipped}, but the client wants all events"
        return ""

    def forget(self) -> None:
        """The client has joined again: what was announced may come after all."""
        self._pending.clear()

    def received(self, key: str) -> None:
        """An event with this key arrived."""
        self._keys.discard(key)

    def allows(self, part: PartitionLog, index: int) -> bool:
        """Note that a record was left out. Returns whether it may be."""
        entry = part[index]
        seen = next((each for each in self._pending if each.skipped.first <= entry.offset <= each.skipped.last), None)
        if seen is not None:
            seen.count += 1
            seen.first = entry.offset if seen.first is None else seen.first
            seen.last = entry.offset
        if entry.key is not None:
            self._keys.add(entry.key)
        # The superseding event has to be in the log by the time at which `skipped` arrived.
        by = seen.skipped.at_ms + self._slack_ms if seen is not None and seen.skipped.at_ms else float("inf")
        if seen is not None and seen.skipped.left_out == 0:
            return self._compacted and part.has_newer(index, by)
        if self._deliver == "all" or (seen is None and self._shows_skips):
            return False
        return part.is_superseded(index, by)

    def reach(self, offset: int | None) -> Iterator[str]:
        """The client is at an offset, None for the end. Yields what is wrong with the ranges that are behind it."""
        if not self._pending:
            return
        behind = [each for each in self._pending if offset is None or each.skipped.last < offset]
        for each in behind:
            self._pending.remove(each)
            if each.skipped.left_out == 0:
                continue
            skipped = each.skipped
            if (skipped.first, skipped.last, skipped.left_out) != (each.first, each.last, each.count):
                yield f"{skipped}, but {each.count} events from {each.first} to {each.last} were left out"
