"""The two clocks of an edge, each with a type of its own, so that times of one are never compared with the other's.

The core reads no clock: the shell hands it the time with each input.
"""

from typing import NamedTuple, NewType

LoopMs = NewType("LoopMs", int)
"""Milliseconds of a clock that never jumps and counts from anywhere: for windows, heartbeats and limits."""

UnixMs = NewType("UnixMs", int)
"""Milliseconds since 1970, as a wall clock shows them, which may be set: for tokens, verdicts and timestamps."""


class Now(NamedTuple):
    """The same moment on both clocks."""

    loop_ms: LoopMs
    unix_ms: UnixMs
