"""How long to wait before trying again: exponential backoff with full jitter.

Full jitter (any time from nothing to the bound) spreads the clients of a failed edge best: see "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015. Pure: the random number is handed in.
"""

from typing import NamedTuple

DOUBLINGS_MAX = 32
"""Attempts that still raise the bound: far beyond any bound in use, and 2**32 is no burden."""


class Backoff(NamedTuple):
    """The bound of the n-th wait (from 0) is ``base_s * 2**n``, at most ``max_s``, in seconds."""

    base_s: float = 0.5
    """Half of it is what a lost connection costs on average."""
    max_s: float = 30.0
    """How late a client may notice that the server is back."""

    def bound_s(self, attempt: int) -> float:
        """The longest that attempt number ``attempt`` waits."""
        return float(min(self.max_s, self.base_s * 2 ** min(attempt, DOUBLINGS_MAX)))

    def delay_s(self, attempt: int, random: float) -> float:
        """How long to wait, for a ``random`` number from 0 to 1."""
        return self.bound_s(attempt) * random
