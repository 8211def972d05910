"""Renders one event as one line, for people or as JSON. Pure.

A line holds printable characters only. Clients choose some of the values, and a control character or a bidirectional
override could forge a line or change what the operator's terminal shows.
"""

import json
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TypeAlias

from structlog.typing import Processor, WrappedLogger

from touchline_protocol.printable import without_url_credentials

EventDict: TypeAlias = MutableMapping[str, Any]
LogFormat: TypeAlias = Literal["console", "json", "notes"]

LIBRARY_MESSAGE = "library_message"
"""The event of a line that a library wrote. Its text is in the field ``message``."""

OWN_MESSAGE = "touchline_message"
"""The same of a package of ours that keeps the standard library's logging, such as touchline_kafka."""

VALUE_CHARS_MAX = 1000
"""Characters of a single value. A longer one is cut: a line must stay readable, and a log must stay small."""

LEVEL_WIDTH = len("critical")


def escape(text: str) -> str:
    """Replace every character that is not printable by its escape: controls, formats such as bidi, surrogates."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def plain_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Bound the length of values, turn those that are not plain into text, and mask credentials in URLs."""
    for name, value in event.items():
        event[name] = without_url_credentials(str(value)) if name == "exception" else _plain(value)
    return event


def console_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Render ``2026-07-01T18:00:00.123456Z info     connection_opened        connection=7 player='zoe' …``."""
    exception = event.pop("exception", None)
    timestamp, level, name = (event.pop(key) for key in ("timestamp", "level", "event"))
    return _with_exception(f"{timestamp} {level:<{LEVEL_WIDTH}} {name}{_values(event)}", exception)


def note_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Render ``note: …`` for the user of a command, to whom time, level and logger mean nothing."""
    for name in ("timestamp", "level", "logger", "edge"):
        event.pop(name)
    exception = event.pop("exception", None)
    name = event.pop("event")
    text = event["message"] if name in {LIBRARY_MESSAGE, OWN_MESSAGE} else f"{name}{_values(event)}"
    return _with_exception(f"note: {text}", exception)


def json_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Render a JSON object in ASCII, so that what is not printable is escaped and still readable by programs."""
    return json.dumps(dict(event), ensure_ascii=True).replace("\x7f", "\\u007f")


RENDERERS: dict[LogFormat, Processor] = {"console": console_line, "json": json_line, "notes": note_line}


def _values(event: EventDict) -> str:
    return "".join(f" {name}={repr(value) if isinstance(value, str) else value}" for name, value in event.items())


def _with_exception(line: str, exception: object) -> str:
    """Append a traceback, which is the only thing that takes more than one line. Further lines are indented."""
    lines = [] if exception is None else str(exception).splitlines()
    return "\n".join([escape(line), *(f"    {escape(one)}" for one in lines)])


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)  # JSON has no NaN and no infinity
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    text = without_url_credentials(value if isinstance(value, str) else str(value))
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"
