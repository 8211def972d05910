"""Encodes what a client is missing: the frames of events, joined, and a notice of those that were skipped."""

from collections.abc import Iterable
from typing import NamedTuple

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Skipped

from .contents import Contents
from .partition_window import RoomEvent

STEP_BYTES = 32 * 1024
"""What one step of a catch-up writes, up to its last event. Flow control has a say after each step, so this is what
can wait in the process for a client that takes no more."""


class CatchUpBytes(NamedTuple):
    """Joined frames, the offset that they bring a client to, and whether they bring it over all of the events."""

    data: bytes
    cursor: int
    complete: bool


def encode_catch_up(
    contents: Contents,
    codec: Codec,
    events: Iterable[RoomEvent],
    *,
    cursor: int,
    latest: bool,
    searching: bool = False,
    bytes_max: int | None = STEP_BYTES,
) -> CatchUpBytes:
    """Encode what brings a client over ``events``, up to ``bytes_max``.

    ``latest`` leaves out events that newer ones have made obsolete, and names them in a `Skipped`. One that announces
    an epoch is not left out: the client needs the epoch with the events that follow. ``searching``: the client looks
    for its place among the events, so none of them is one to resume from.
    """
    frames: list[bytes] = []
    skipped: list[int] = []
    size = 0
    complete = True
    for event in events:
        if bytes_max is not None and size >= bytes_max:
            complete = False
            break
        cursor = event.offset
        if latest and not event.announces and contents.is_obsolete(event):
            skipped.append(event.offset)
        else:
            framed = event.frame(codec)
            frames.append(codec.without_id(framed) if searching else framed)
            size += len(frames[-1])
    if skipped:
        # Before the events, so that a skipped event between two others is not a gap to the client.
        notice = Skipped(room=contents.name, from_=skipped[0], to=skipped[-1], count=len(skipped))
        frames.insert(0, codec.frame(notice))
    return CatchUpBytes(b"".join(frames), cursor, complete)
