"""``traceparent``: the trace that something belongs to, as W3C Trace Context writes it (https://www.w3.org/TR/trace-context/).

    00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
    version, trace id, id of the span that caused it, flags; all in lowercase hexadecimal

Records and HTTP requests have it as a header, events and actions as a field. Pure: tracing systems are not known here.

Rules:

1. An invalid one is treated as absent, and is never an error: the specification asks for that, and a producer's
   tracing must not cost anybody an event.
2. One of a later version becomes one of version 00, with the parts that all versions share.
"""

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

TRACEPARENT = "traceparent"
"""The header's name, which is lowercase in records, and the field's."""

Traceparents: TypeAlias = Literal["all", "sampled", "none"]
"""Which records' ``traceparent`` a feed's clients receive: it makes each event 74 bytes longer, for every client."""

SAMPLED = 0x01
"""The flag: the trace is recorded."""

_CHARS = 55
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_VERSION = "00-"
_KNOWN_FLAGS = SAMPLED | 0x02  # the other one: the trace id is random
_SAMPLED_DIGITS = "13579bdf"


def traceparent_of(text: str) -> str | None:
    """The ``traceparent`` in ``text``, as one of version 00; None if it is invalid."""
    if _FORM.fullmatch(text[:_CHARS]) is None:
        return None
    if text.startswith(_VERSION):
        return text if len(text) == _CHARS else None
    if text[_CHARS : _CHARS + 1] not in {"", "-"}:
        return None
    return f"{_VERSION}{text[3:53]}{int(text[53:_CHARS], 16) & _KNOWN_FLAGS:02x}"


def header_traceparent(headers: Sequence[tuple[str, bytes]]) -> str | None:
    """The ``traceparent`` in a record's headers; None if they have no valid one."""
    for name, value in reversed(headers):  # if it is repeated the last one counts, as in Kafka's lastHeader
        if name == TRACEPARENT:
            # One more than it has: what is too long stays too long.
            return traceparent_of(value[: _CHARS + 1].decode("latin-1")) if value else None
    return None


def traceparent_headers(traceparent: str | None) -> list[tuple[str, bytes]]:
    """What to add to the headers of a record."""
    return [] if traceparent is None else [(TRACEPARENT, traceparent.encode())]


def is_sampled(traceparent: str) -> bool:
    """Whether the trace of a valid ``traceparent`` is recorded."""
    return traceparent[-1] in _SAMPLED_DIGITS
