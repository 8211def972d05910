"""Ends of connections that nobody has explained yet: the explanation may arrive later than they do. Pure.

A test that harms the server on purpose says so in the run folder, perhaps a moment after the first client noticed. So a
surprise is held for `GRACE_MS`, and reported unless it happened within a fault. Times are Unix milliseconds.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

GRACE_MS = 3_000.0
"""How much later the explanation may arrive."""
EARLY_MS = 2_000.0
"""How much earlier than it says a fault may be felt: it is noted by another process, on another machine."""
AFTERMATH_MS = 10_000.0
"""How long clients may go on to fail after a fault: a few attempts to connect, each of which waits longer."""
MOMENT_MS = 20_000.0
"""The same for a fault without an end, such as the kill of a process."""


class _Surprise(NamedTuple):
    at_ms: float
    report: Callable[[], None]


class Surprises:
    """Those of one process."""

    def __init__(self) -> None:
        self._held: deque[_Surprise] = deque()
        self._faults: set[tuple[float, float]] = set()

    def add(self, at_ms: float, report: Callable[[], None]) -> None:
        """Something ended without a reason. ``report`` is called if none is found."""
        self._held.append(_Surprise(at_ms, report))

    def fault(self, began_ms: float, end_ms: float | None) -> None:
        """The server was harmed on purpose; ``end_ms`` is None for a moment. Saying so twice does no harm."""
        until_ms = began_ms + MOMENT_MS if end_ms is None else end_ms + AFTERMATH_MS
        self._faults.add((began_ms - EARLY_MS, until_ms))

    def judge(self, now_ms: float) -> None:
        """Report those that have waited long enough."""
        while self._held and self._held[0].at_ms <= now_ms - GRACE_MS:
            surprise = self._held.popleft()
            if not any(began_ms <= surprise.at_ms <= until_ms for began_ms, until_ms in self._faults):
                surprise.report()
