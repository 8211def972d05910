"""New events to publish: their checks, and the log records that they become.

This is the only place that turns a producer's input into a record, whether it comes from the HTTP API, the command line
or the demo. It may know the protocol, but no log: `record_fields` returns the first fields of a
`touchline_server.core.log.Entry`.

Rules: all events are checked before any is appended. A value's bytes are passed on unchanged.
"""

from typing import NamedTuple

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import REASONS, check_value, headers_for, is_event_key
from touchline_protocol.tracing.traceparent import traceparent_headers


class NewEvent(NamedTuple):
    """A checked event. ``value`` is its JSON, or None to remove ``key`` from the room's state.

    ``traceparent`` is the span that its record continues.
    """

    value: bytes | None
    key: str | None = None
    traceparent: str | None = None


def new_event(data: bytes, key: str | None = None) -> NewEvent:
    """Check an event that a producer sent. ``data`` is JSON; ``null`` removes ``key`` from the room's state.

    Raises:
        BadRecord: it is not a valid event; the message says why.
    """
    if key is not None and not is_event_key(key):
        raise BadRecord("bad_event_key", f"{REASONS['bad_event_key']} ({key[:80]!r})")
    check_value(data)
    if data.strip() != b"null":
        return NewEvent(data, key)
    if key is None:
        raise BadRecord("null_without_key", REASONS["null_without_key"])
    return NewEvent(None, key)


def record_fields(room_id: str, event: NewEvent) -> tuple[bytes, bytes | None, list[tuple[str, bytes]]]:
    """The key, the value and the headers of the record that ``event`` becomes."""
    return room_id.encode(), event.value, [*headers_for(event.key), *traceparent_headers(event.traceparent)]
