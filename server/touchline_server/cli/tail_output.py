"""The lines that ``touchline tail`` prints, wherever the events come from."""

import asyncio
import json
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

import touchline
from touchline_cli.output import write_line
from touchline_protocol.cursor import Cursor
from touchline_protocol.printable import escaped

QUIET_S = 0.5
"""A room that has printed nothing this long after it was joined is reported: its name may be mistyped."""

_ONE_LINE = str.maketrans("\t\r\n", "   ")

logger = logging.getLogger("touchline.tail")


class Printer:
    """Writes events to stdout, one JSON object a line."""

    def __init__(self, *, with_state: bool) -> None:
        self._with_state = with_state
        self._printed = False

    def joined(self, room: str, hint: str) -> None:
        """Say soon that the room was joined, unless an event shows it. ``hint`` is for a reader who misses events."""

        def note() -> None:
            if not self._printed:
                logger.warning("joined %s, no events yet%s", room, hint)

        asyncio.get_running_loop().call_later(QUIET_S, note)

    def state(self, state: Iterable[touchline.Event], cursor: Cursor | None) -> None:
        """Print the state. Every line of it has the cursor that follows the whole state."""
        if self._with_state:
            for event in sorted(state, key=lambda event: event.offset):
                self._write(event, {"state": True}, cursor)

    def event(self, event: touchline.Event) -> None:
        """Print one event."""
        self._write(event, {}, event.cursor)

    def _write(self, event: touchline.Event, mark: dict[str, bool], cursor: Cursor | None) -> None:
        self._printed = True
        key = {} if event.key is None else {"key": event.key}
        line = {"room": event.room, "cursor": str(cursor), "offset": event.offset, **key, "ts": event.ts}
        write_line(_json_line(line, event.data, mark))


def hint_at_earlier(after: Cursor | None, last: int) -> str:
    """How to see the events that a room without state may have had; empty if the options ask for them."""
    return "" if after is not None or last else "; --last 10 begins with earlier ones, if there were any"


def _json_line(line: Mapping[str, object], data: Any, mark: Mapping[str, bool]) -> bytes:
    """One object: ``line``, then ``data``, which in bytes is JSON and stays as it is, then ``mark``.

    JSON has tabs and line ends between its tokens only, and there a space means the same.
    """
    value = data.decode() if isinstance(data, bytes) else _json(data)
    shown = value.translate(_ONE_LINE)
    marks = "".join(f", {json.dumps(name)}: {json.dumps(is_set)}" for name, is_set in mark.items())
    return escaped(f'{json.dumps(line, ensure_ascii=False)[:-1]}, "data": {shown}{marks}}}').encode()


def _json(value: Any) -> str:
    """``value`` as JSON. Python would write Infinity; a number that was too large for a float is too large again."""
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_json(name)}: {_json(item)}' for name, item in value.items())}}}"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
