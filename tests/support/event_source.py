"""A parser for server-sent events that follows the HTML Living Standard (sections 9.2.5 and 9.2.6), for tests."""

from typing import NamedTuple

BOM = b"\xef\xbb\xbf"


class Dispatched(NamedTuple):
    """A message as a page receives it. ``id`` is the id in its own block; None if the block has none."""

    type: str
    data: str
    last_event_id: str
    id: str | None


class EventSourceParser:
    """Parses a stream that arrives in pieces of any size."""

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self.comments: list[str] = []
        self._bytes = b""
        self._begun = False
        self._type = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, data: bytes) -> list[Dispatched]:
        """Parse more data, and return the messages that it completes."""
        self._bytes += data
        if not self._begun:
            if len(self._bytes) < len(BOM) and BOM.startswith(self._bytes):
                return []
            self._bytes = self._bytes.removeprefix(BOM)
            self._begun = True
        dispatched = []
        while (line := self._line()) is not None:
            message = self._take(line.decode(errors="replace"))
            if message is not None:
                dispatched.append(message)
        return dispatched

    def _line(self) -> bytes | None:
        ends = [index for end in (b"\r", b"\n") if (index := self._bytes.find(end)) >= 0]
        if not ends:
            return None
        end = min(ends)
        if self._bytes[end:] == b"\r":
            return None  # a line feed may follow
        line, self._bytes = self._bytes[:end], self._bytes[end + (2 if self._bytes[end : end + 2] == b"\r\n" else 1) :]
        return line

    def _take(self, line: str) -> Dispatched | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self.comments.append(line[1:])
            return None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Dispatched | None:
        if self._id is not None:
            self.last_event_id = self._id
        kind, lines, block_id = self._type or "message", self._data, self._id
        self._type, self._data, self._id = "", [], None
        return Dispatched(kind, "\n".join(lines), self.last_event_id, block_id) if lines else None
