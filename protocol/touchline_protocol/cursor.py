"""Cursors: how far a client has read a room, as one string ``<epoch>.<offset>`` or ``<epoch>.<offset>.<ts>``.

On the WebSocket the parts are separate fields. The string form is for places that hold a single string: a command line,
a database column, the ``Last-Event-ID`` of SSE. An epoch contains no dot; an offset and a timestamp are decimal.
"""

import re
from typing import NamedTuple

from .errors import PeerError
from .limits import TIMESTAMP_MAX

_CURSOR = re.compile(r"([^.]+)\.(-1|0|[1-9][0-9]{0,18})(?:\.(0|[1-9][0-9]{0,15}))?", re.ASCII)
_OFFSET_MAX = 2**63 - 1


class Cursor(NamedTuple):
    """The last offset read, and the epoch in which that offset is meaningful.

    ``ts`` is the timestamp of the event there, in Unix milliseconds; None if it is not known. With it, a server finds
    the place again in another log that holds the same events at other offsets.
    """

    epoch: str
    offset: int
    ts: int | None = None

    def __str__(self) -> str:
        return f"{self.epoch}.{self.offset}" if self.ts is None else f"{self.epoch}.{self.offset}.{self.ts}"

    @classmethod
    def at(cls, epoch: str, offset: int, ts: int) -> "Cursor":
        """The cursor after an event. A timestamp that a cursor cannot have is left out."""
        return cls(epoch, offset, ts if 0 <= ts <= TIMESTAMP_MAX else None)

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Parse the string form.

        Raises:
            PeerError: the text is not a cursor.
        """
        match = _CURSOR.fullmatch(text)
        ts = None if match is None or match[3] is None else int(match[3])
        if match is None or int(match[2]) > _OFFSET_MAX or (ts or 0) > TIMESTAMP_MAX:
            raise PeerError(f"{text!r} is not a cursor: write <epoch>.<offset>, as printed by touchline tail")
        return cls(match[1], int(match[2]), ts)
