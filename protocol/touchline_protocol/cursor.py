"""Cursors: how far a client has read a room, as one string ``<epoch>.<offset>``.

On the WebSocket the two parts are separate fields. The string form is for places that hold a single string: a command
line, a database column, the ``Last-Event-ID`` of SSE. An epoch contains no dot, and an offset is decimal.
"""

import re
from typing import NamedTuple

from .errors import PeerError

_CURSOR = re.compile(r"([^.]+)\.(-1|0|[1-9][0-9]{0,18})", re.ASCII)
_OFFSET_MAX = 2**63 - 1


class Cursor(NamedTuple):
    """The last offset read, and the epoch in which that offset is meaningful."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Parse ``<epoch>.<offset>``.

        Raises:
            PeerError: the text is not a cursor.
        """
        match = _CURSOR.fullmatch(text)
        if match is None or int(match[2]) > _OFFSET_MAX:
            raise PeerError(f"{text!r} is not a cursor: write <epoch>.<offset>, as printed by touchline tail")
        return cls(match[1], int(match[2]))
