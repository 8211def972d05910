"""The times of the records in a partition's window: where a time is among them, whatever was written before.

A log finds the first record of a time or later. One record with a time far in the future is that record for every time
since it was written, so more would have to be read than may be. The window tells more, since all its records are known:

1. Records ahead of the edge's clock by more than the margin are left out.
2. If the window begins with enough records that are older than the time by more than the margin, then none before the
   window is of that time, since producers' clocks differ by no more. A single one proves nothing: its own time may be
   far too old.
"""

from bisect import bisect_left

from touchline_server.core.rooms.partition_window import PartitionWindow

OLDER_RECORDS_MIN = 100
"""This many records at the beginning of a window must be older than a time before the window is believed."""


class WindowTimes:
    """The times of what is in a window now. ``until_ms`` is the latest that a record may have, Unix milliseconds."""

    def __init__(self, window: PartitionWindow, until_ms: int) -> None:
        self._offsets: list[int] = []
        self._newest: list[int] = []  # up to the record at the same index
        newest = 0
        for event in window.events:
            if event.ts <= until_ms:
                newest = max(newest, event.ts)
                self._offsets.append(event.offset)
                self._newest.append(newest)

    def first_since(self, since_ms: int, margin_ms: int) -> int | None:
        """The offset of the first record of a time or later; None if the window cannot tell."""
        index = bisect_left(self._newest, since_ms)
        if index < OLDER_RECORDS_MIN or index == len(self._newest):
            return None
        is_proven = self._newest[OLDER_RECORDS_MIN - 1] < since_ms - margin_ms
        return self._offsets[index] if is_proven else None
