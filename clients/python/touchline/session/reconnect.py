"""When to open the next connection.

Pure: times are passed in, in seconds on any clock that never goes back; so is the source of random numbers.
"""

from collections.abc import Callable

from .backoff import Backoff

STABLE_S = 5.0
"""A connection that lasted this long was a success: the next wait is a short one again."""

GOAWAY_S_MAX = 300.0
"""The longest that a goaway is obeyed. No drain takes longer, and a mistake must not keep clients away for days."""


class Reconnect:
    """``at`` is when to connect. ``random`` returns numbers from 0 to 1."""

    __slots__ = ("_attempts", "_backoff", "_random", "_welcomed_at", "at")

    def __init__(self, backoff: Backoff, random: Callable[[], float]) -> None:
        self.at = 0.0
        self._backoff = backoff
        self._random = random
        self._attempts = 0
        self._welcomed_at: float | None = None

    def delay_s(self, attempt: int) -> float:
        """How long this attempt waits, in seconds."""
        return self._backoff.delay_s(attempt, self._random())

    def welcomed(self, now_s: float) -> None:
        """The server sent its welcome."""
        self._welcomed_at = now_s

    def ended(self, now_s: float) -> None:
        """The connection is over."""
        if self._welcomed_at is not None and now_s - self._welcomed_at >= STABLE_S:
            self._attempts = 0
        self._welcomed_at = None

    def schedule(self, now_s: float) -> None:
        """Connect after a wait, which grows with each attempt."""
        self.at = now_s + self.delay_s(self._attempts)
        self._attempts += 1

    def schedule_goaway(self, now_s: float, reconnect_ms: int) -> None:
        """Connect when the server asks for it."""
        self.at = now_s + min(max(reconnect_ms, 0) / 1000, GOAWAY_S_MAX)
