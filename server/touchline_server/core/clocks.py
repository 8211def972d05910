"""The two clocks of an edge, each with a type of its own, so that times of one are never compared with the other's.

The core reads no clock: the shell hands it the time with each input.
"""

from typing import NewType

import msgspec

LoopMs = NewType("LoopMs", int)
"""Milliseconds of a clock that never jumps and counts from anywhere: for windows, heartbeats and limits."""

UnixMs = NewType("UnixMs", int)
"""Milliseconds since 1970, as a wall clock shows them, which may be set: for tokens, verdicts and timestamps."""


class Now(msgspec.Struct, frozen=True, gc=False):
    """The same moment on both clocks. A struct, since one is made for each turn, in a third of a named tuple's time."""

    loop_ms: LoopMs
    unix_ms: UnixMs


CLOCK_SET_MS = 1_000
"""A computer's clock that differs by more than this from what it should show by now was set."""


class ClockWatch:
    """Notices that the computer's clock was set."""

    def __init__(self) -> None:
        self._ahead_ms: int | None = None

    def set_by_ms(self, now: Now) -> int:
        """How far the computer's clock was set since the last call; 0 if it was not. Call this periodically."""
        ahead_ms = now.unix_ms - now.loop_ms
        before_ms, self._ahead_ms = self._ahead_ms, ahead_ms
        by_ms = 0 if before_ms is None else ahead_ms - before_ms
        return by_ms if abs(by_ms) >= CLOCK_SET_MS else 0
