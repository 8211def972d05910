"""The lines that ``touchline tail`` prints, wherever the events come from."""

import json
from collections.abc import Iterable

import touchline
from touchline_protocol.cursor import Cursor

from .output import write_line


class Printer:
    """Writes events to stdout, one JSON object a line."""

    def __init__(self, *, with_state: bool) -> None:
        self._with_state = with_state

    def state(self, state: Iterable[touchline.Event], cursor: Cursor | None) -> None:
        """Print the state. Every line of it has the cursor that follows the whole state."""
        if self._with_state:
            for event in sorted(state, key=lambda event: event.offset):
                self._write(event, {"state": True}, cursor)

    def event(self, event: touchline.Event) -> None:
        """Print one event."""
        self._write(event, {}, event.cursor)

    def _write(self, event: touchline.Event, mark: dict[str, bool], cursor: Cursor | None) -> None:
        key = {} if event.key is None else {"key": event.key}
        line = {"room": event.room, "cursor": str(cursor), "offset": event.offset, **key, "ts": event.ts}
        write_line(_json({**line, "data": event.data, **mark}))


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # JSON can hold a lone surrogate such as \ud800, UTF-8 cannot
        return json.dumps(value).encode()
