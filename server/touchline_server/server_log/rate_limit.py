"""Bounds how many lines of one kind are written per second, and counts the lines that it leaves out. Pure.

Clients decide how often most events happen, so without a bound a stranger could fill the disk.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

LINES_PER_SECOND = 20
"""Lines with one name in one second: enough to see what happens, too few to cost anything or to fill a disk."""

NAMES_MAX = 1000
"""Names with a count of their own. Libraries may put data into their messages; any further names share one count."""

OTHER_NAMES = "other"


class Omission(NamedTuple):
    """How many lines with a name were left out in one second."""

    name: str
    lines: int


class RateLimit:
    """The bound on lines per second and name. Threads may share it. ``now_s`` is a monotonic clock."""

    def __init__(self, now_s: Callable[[], float], per_second: int = LINES_PER_SECOND) -> None:
        self._now_s = now_s
        self._per_second = per_second
        self._lock = threading.Lock()
        self._second = 0
        self._counts: dict[str, int] = {}
        self._omissions: list[Omission] = []

    def admit(self, name: str) -> bool:
        """Count a line with this name. Returns whether it should be written."""
        with self._lock:
            self._advance()
            if name not in self._counts and len(self._counts) >= NAMES_MAX:
                name = OTHER_NAMES
            count = self._counts[name] = self._counts.get(name, 0) + 1
            return count <= self._per_second

    def take_omissions(self) -> list[Omission]:
        """Return what was left out in seconds that are over, and forget it."""
        with self._lock:
            self._advance()
            omissions, self._omissions = self._omissions, []
            return omissions

    def _advance(self) -> None:
        second = int(self._now_s())
        if second == self._second:
            return
        self._omissions += [
            Omission(name, count - self._per_second) for name, count in self._counts.items() if count > self._per_second
        ]
        self._second = second
        self._counts.clear()
