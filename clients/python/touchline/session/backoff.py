"""How long to wait before trying again: exponential backoff with full jitter.

Full jitter (any time from zero to the bound) spreads the clients of a failed edge best: see "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015. Pure: the caller passes in the random number.
"""

from typing import NamedTuple

DOUBLINGS_MAX = 32
"""Attempts that still raise the bound. This is far beyond any bound in use, and 2**32 is cheap to compute."""


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
