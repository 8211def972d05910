"""The time of day, as runs record it."""

import time


def now_ms() -> float:
    """Unix milliseconds."""
    return time.time() * 1000
