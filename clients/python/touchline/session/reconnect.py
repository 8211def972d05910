"""When to open the next connection, by exponential backoff with full jitter.

Full jitter (any time from zero to the bound) spreads the clients of a failed edge best: see "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015. Pure: times are passed in, in seconds on any clock that never goes back; so is the
source of random numbers.
"""

from collections.abc import Callable
from typing import NamedTuple

DOUBLINGS_MAX = 32
"""Attempts that still raise the bound. This is far beyond any bound in use, and 2**32 is cheap to compute."""

DELAY_S_MIN = 0.01
"""No more than 100 attempts a second, whatever the backoff is."""

STABLE_S = 5.0
"""A connection that lasted this long was a success: the next wait is a short one again."""

GOAWAY_S_MAX = 300.0
"""The longest that a goaway is obeyed. No drain takes longer, and a mistake must not keep clients away for days."""

RETRY_AFTER_S_MAX = 300.0
"""The same for ``Retry-After``, which any proxy may send."""


class Backoff(NamedTuple):
    """Attempt n (from 0) waits at most ``base_s * 2**n`` seconds, and never more than ``max_s``."""

    base_s: float = 0.5
    """A lost connection costs half of this on average."""
    max_s: float = 30.0
    """How late a client may notice that the server is back."""

    def bound_s(self, attempt: int) -> float:
        """The longest that this attempt waits, in seconds."""
        return float(min(self.max_s, self.base_s * 2 ** min(attempt, DOUBLINGS_MAX)))

    def delay_s(self, attempt: int, random: float) -> float:
        """How long this attempt waits, in seconds; ``random`` is a number from 0 to 1."""
        return self.bound_s(attempt) * random


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

    def schedule(self, now_s: float, retry_after_s: float = 0.0) -> None:
        """Connect after a wait, which grows with each attempt, but no earlier than the server asked for."""
        self.at = now_s + max(DELAY_S_MIN, self.delay_s(self._attempts), min(retry_after_s, RETRY_AFTER_S_MAX))
        self._attempts += 1

    def schedule_goaway(self, now_s: float, reconnect_ms: int) -> None:
        """Connect when the server asks for it."""
        self.at = now_s + min(max(reconnect_ms, 0) / 1000, GOAWAY_S_MAX)
