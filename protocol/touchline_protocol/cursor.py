"""Cursors: the place in a room's events that a client has reached, as one string ``<epoch>.<offset>``.

On the WebSocket the two parts travel as two fields; the string is for places that hold one string (a command line,
a database column, SSE's ``Last-Event-ID``). An epoch never holds a dot, an offset is decimal.
"""

from typing import NamedTuple

from .errors import PeerError


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
        epoch, dot, offset = text.rpartition(".")
        digits = offset.removeprefix("-")
        if not dot or not epoch or not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or int(offset) < -1:
            raise PeerError(f"{text!r} is no cursor: it must read <epoch>.<offset>, as touchline tail prints it")
        return cls(epoch, int(offset))
