"""Parses server-sent events (HTML Living Standard, section 9.2). Pure.

It knows what Touchline sends: ``data`` and ``id`` in UTF-8, lines that end with a line feed, comments, and ``retry``.
"""

import re
from typing import NamedTuple

_CLOSE = re.compile(r": close ([0-9]{4})\b")


class Block(NamedTuple):
    """One event of the stream: its data, and the last id that was seen up to it."""

    data: str
    last_event_id: str


class EventSourceParser:
    """Parses a stream that arrives in pieces of any size.

    ``retry_ms`` is how long the server asks to wait, ``close_code`` why it ends the stream; None while it has not said.
    """

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id
        self.retry_ms: int | None = None
        self.close_code: int | None = None
        self._rest = b""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[Block]:
        """The blocks that ``data`` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [block for line in lines if (block := self._line(line.decode().rstrip("\r"))) is not None]

    def _line(self, line: str) -> Block | None:
        if not line:
            data, self._data = self._data, []
            return Block("\n".join(data), self.last_event_id) if data else None
        if (close := _CLOSE.match(line)) is not None:
            self.close_code = int(close[1])
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._data.append(value)
            case "id":
                self.last_event_id = value
            case "retry" if value.isdecimal():
                self.retry_ms = int(value)
        return None
