"""What an action may carry: its kind, and data that reads the same in every codec.

Rules: data is I-JSON (RFC 7493): what every JSON and msgpack reader represents alike, in UTF-8, nested no deeper than
every reader can follow. Anything else is refused here, where the caller gets a traceback, and never altered to fit.
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
            f"{kind!r:.80} is not a valid kind of action: use 1 to 64 letters, digits, _, . and -, such as tap"
        ) from None


def encode_data(data: Any) -> bytes:
    """Encode ``data`` as JSON, the way `json.dumps` does: tuples become lists, and numeric keys become strings.

    Raises:
        TypeError: it contains something that JSON cannot express, such as bytes or a set.
        ValueError: it contains a number or text that JSON or msgpack cannot express, itself, or too many levels.
    """
    try:
        value = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
        check_data(value)
    except TypeError as error:
        raise TypeError(f"the action's data cannot be encoded as JSON: {error}") from None
    except (ValueError, RecursionError, BadRecord) as error:
        raise ValueError(f"the action's data cannot be sent: {error}") from None
    return value
