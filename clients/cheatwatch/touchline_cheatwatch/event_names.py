"""The name by which rules know an event: its key, or its type if it has no key.

Pure. The type is the value's top-level field ``type``: a string, or an object with a ``name``, as in StatsBomb's data.
"""

import msgspec


class _Named(msgspec.Struct):
    name: str = ""


class _Typed(msgspec.Struct):
    type: str | _Named = ""


_DECODER = msgspec.json.Decoder(_Typed)

NAME_CHARS_MAX = 128
"""The same limit as for an event's key. A longer type is not used as a name."""


def event_name(key: str | None, value: bytes) -> str:
    """The name of an event; an empty string if it has none. ``value`` is JSON."""
    if key is not None:
        return key
    try:
        kind = _DECODER.decode(value).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    name = kind if isinstance(kind, str) else kind.name
    return name if len(name) <= NAME_CHARS_MAX else ""
