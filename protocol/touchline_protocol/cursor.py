"""Cursors: the place in a room's events that a client has reached, as one string ``<epoch>.<offset>``.

On the WebSocket the two parts travel as two fields; the string is for places that hold one string (a command line,
a database column, SSE's ``Last-Event-ID``). An epoch never holds a dot, an offset is decimal.
"""

import re
from typing import NamedTuple

from .errors import PeerError

_CURSOR = re.compile(r"([^.]+)\.(-1|0|[1-9][0-9]{0,18})", re.ASCII)
_OFFSET_MAX = 2**63 - 1


class Cursor(NamedTuple):
    """The last offset seen, and the epoch in which that offset means something."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read ``<epoch>.<offset>``.

        Raises:
            PeerError: the text is no cursor.
        """
        match = _CURSOR.fullmatch(text)
        if match is None or int(match[2]) > _OFFSET_MAX:
            raise PeerError(f"{text!r} is no cursor: it must read <epoch>.<offset>, as touchline tail prints it")
        return cls(match[1], int(match[2]))
