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

    def joined(self, room: str, after: Cursor | None, last: int) -> None:
        """Say soon that the room was joined with these options, unless an event shows it."""
        silence = describe_silence(after, last, with_state=self._with_state)

        def note() -> None:
            if not self._printed:
                logger.warning("joined %s: %s", room, silence)

        asyncio.get_running_loop().call_later(QUIET_S, note)

    def state(self, state: Iterable[touchline.Event], cursor: Cursor | None) -> None:
        """Print the state. Every line of it has the cursor that follows the whole state."""
        if self._with_state:
            for event in sorted(state, key=lambda event: event.offset):
                self._write(event, {"state": True}, cursor)

    def event(self, event: touchline.Event) -> None:
        """Print one event."""
        self._write(event, {}, event.cursor)

    def occupancy(self, occupancy: touchline.Occupancy) -> None:
        """Print how many watch."""
        self._printed = True
        write_line(escaped(json.dumps(occupancy._asdict(), ensure_ascii=False)).encode())

    def members(self, members: touchline.Members) -> None:
        """Print which players are in the room, and what has changed in that."""
        self._printed = True
        players = None if members.players is None else sorted(members.players)
        changes = {"joined": sorted(members.joined), "left": sorted(members.left), "complete": members.complete}
        line = {"room": members.room, "players": players, **changes}
        write_line(escaped(json.dumps(line, ensure_ascii=False)).encode())

    def _write(self, event: touchline.Event, mark: dict[str, bool], cursor: Cursor | None) -> None:
        self._printed = True
        key = {} if event.key is None else {"key": event.key}
        trace = {} if event.traceparent is None else {"traceparent": event.traceparent}
        line = {"room": event.room, "cursor": str(cursor), "offset": event.offset, **key, "ts": event.ts, **trace}
        write_line(_json_line(line, event.data, mark))


def describe_silence(after: Cursor | None, last: int, *, with_state: bool) -> str:
    """What it means that a room printed nothing, by the options, and which others may show more.

    It never says that the room has no events: older ones than the server's window may still be in the log.
    """
    if after is not None:
        return "nothing after the cursor yet"
    if last:
        return "no events in the server's window (window_s); leave out --last for the state, which may be older"
    if with_state:
        return "no state, and nothing new yet; --last 10 begins with recent events, if there are any"
    return "nothing new yet; leave out --no-state for the state, or begin with recent events by --last 10"


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
