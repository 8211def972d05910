"""What is published: events that were checked, and the log records that they become.

The one place where a producer's input turns into a record, for the HTTP API, the command line and the demo alike. It
may know the protocol alone, and no log: `record_fields` are the first fields of a `touchline_server.core.log.Entry`.

Rules: everything is checked before anything is appended. A value's bytes are passed on as they came.
"""

from typing import NamedTuple

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import REASONS, check_value, headers_for, is_event_key


class NewEvent(NamedTuple):
    """A checked event. ``value`` is its JSON, or None to remove ``key`` from the room's state."""

    value: bytes | None
    key: str | None = None


def new_event(data: bytes, key: str | None = None) -> NewEvent:
    """Check what a producer sent: ``data`` is JSON, where ``null`` removes ``key`` from the state.

    Raises:
        BadRecord: no event can be made of it; the message says why.
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
    return room_id.encode(), event.value, headers_for(event.key)
