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
