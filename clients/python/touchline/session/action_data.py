"""What a user wants to do -> what can be sent: the same values by every codec, and none that arrives as another one.

Rules: data is what JSON can say, of texts in UTF-8, with integers of 64 bits (msgpack has no longer ones), nested no
deeper than every reader can follow. What is not is refused here, where it has a traceback, and not bent.
"""

import json
from typing import Any

import msgspec

from touchline_protocol.actions import check_data
from touchline_protocol.errors import BadRecord
from touchline_protocol.messages import ActionKind


def check_kind(kind: str) -> None:
    """Make sure that ``kind`` can name a kind of action.

    Raises:
        ValueError: it cannot.
    """
    try:
        msgspec.convert(kind, ActionKind)
    except msgspec.ValidationError:
        raise ValueError(
            f"{kind!r:.80} is no kind of action: it must be 1 to 64 letters, digits, _, . and -, as tap"
        ) from None


def encode_data(data: Any) -> bytes:
    """``data`` as JSON, written as `json.dumps` does: tuples are lists, and keys that are numbers are strings.

    Raises:
        TypeError: it holds something that JSON cannot say, as bytes or a set.
        ValueError: it holds a number or a text that JSON or msgpack cannot say, itself, or too many levels.
    """
    try:
        value = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
        check_data(value)
    except TypeError as error:
        raise TypeError(f"the action's data cannot be JSON: {error}") from None
    except (ValueError, RecursionError, BadRecord) as error:
        raise ValueError(f"the action's data cannot be sent: {error}") from None
    return value
