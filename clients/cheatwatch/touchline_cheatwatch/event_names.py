"""What an event is called in rules: by its key, or by its type where it has no key.

Pure. The type is the top-level field ``type`` of the value, a string or an object with a ``name``, as StatsBomb's is.
"""

import msgspec


class _Named(msgspec.Struct):
    name: str = ""


class _Typed(msgspec.Struct):
    type: str | _Named = ""


_DECODER = msgspec.json.Decoder(_Typed)
NAME_CHARS_MAX = 128
"""As long as an event's key may be; a longer type is no name."""


def event_name(key: str | None, value: bytes) -> str:
    """The name of an event; empty if it has none. ``value`` is JSON."""
    if key is not None:
        return key
    try:
        kind = _DECODER.decode(value).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    name = kind if isinstance(kind, str) else kind.name
    return name if len(name) <= NAME_CHARS_MAX else ""
