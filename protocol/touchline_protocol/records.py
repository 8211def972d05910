"""Log record -> event, and back: the contract with producers.

A record's key is the room's id (UTF-8). Its value is JSON, or null to remove the event's key. The event's key comes
from the record header ``key``, or from the top-level string field of the value that the feed's ``key_field`` names.

A record that cannot become an event raises `BadRecord` with one of `REASONS`. Readers of the log count it, log it with
its position, and continue: a bad record is never fatal.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from .errors import BadRecord
from .limits import EVENT_KEY_BYTES_MAX, EVENT_VALUE_BYTES_MAX, JSON_DEPTH_MAX
from .rooms import is_room_id

KEY_HEADER = "key"

REASONS = {
    "no_key": "the record has no key, so it belongs to no room",
    "bad_room_id": "the record's key is not a valid room id",
    "bad_event_key": "the event's key is empty, too long, or not UTF-8",
    "null_without_key": "the value is null, but there is no event key for it to remove",
    "too_large": "the value is larger than an event's value may be",
    "not_json": "the value is not JSON in UTF-8",
    "too_deep": "the value is nested too deeply",
}


class Record(Protocol):
    """A record as a log returns it. aiokafka's `ConsumerRecord` satisfies this as it is."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class EventRecord(NamedTuple):
    """The content of a feed's record. ``value`` is JSON bytes, and ``null`` if it removes the key."""

    room_id: str
    key: str | None
    value: bytes


_RAW = msgspec.json.Decoder(msgspec.Raw)
_NULL = b"null"
_BACKSLASH, _QUOTATION_MARK = b'\\"'


def parse_record(record: Record, key_field: str | None = None) -> EventRecord:
    """Read a record of a feed.

    Raises:
        BadRecord: the record cannot become an event. The caller knows its position and adds it.
    """
    return EventRecord(parse_room_id(record.key), *parse_event(record, key_field))


def parse_room_id(key: bytes | None) -> str:
    """The room's id in a record's key.

    Raises:
        BadRecord: the key is missing or is not a room id.
    """
    if not key:
        raise _bad("no_key")
    try:
        room_id = key.decode()
    except UnicodeDecodeError:
        raise _bad("bad_room_id", "not UTF-8") from None
    if not is_room_id(room_id):
        raise _bad("bad_room_id", repr(room_id[:80]))
    return room_id


def parse_event(record: Record, key_field: str | None = None) -> tuple[str | None, bytes]:
    """The event's key and value, as in `EventRecord`.

    Raises:
        BadRecord: the key or the value is invalid.
    """
    value = record.value
    if value is None:
        key = header_key(record.headers)
        if key is None:
            raise _bad("null_without_key")
        return key, _NULL
    check_value(value)
    if value.strip() == _NULL:
        value = _NULL  # so that a removal can be recognised by its bytes
    key = header_key(record.headers) if record.headers else None
    if key is None and key_field is not None:
        key = _field_key(value, key_field)
    return key, value


def check_value(value: bytes) -> None:
    """Check that ``value`` can be an event's value.

    Raises:
        BadRecord: the value is too large, not JSON in UTF-8, or nested too deeply.
    """
    if len(value) > EVENT_VALUE_BYTES_MAX:
        raise _bad("too_large", f"{len(value)} bytes, at most {EVENT_VALUE_BYTES_MAX}")
    try:
        _check_syntax(value)
    except BadRecord:
        if not _has_lone_surrogates(value):
            raise
    _check_depth(value)


def check_json(value: bytes) -> None:
    """Check that ``value`` is JSON, of any size, without unpaired surrogates (UTF-8 cannot represent them).

    Raises:
        BadRecord: the value is not JSON in UTF-8, or is nested too deeply.
    """
    _check_syntax(value)
    _check_depth(value)


def headers_for(key: str | None) -> list[tuple[str, bytes]]:
    """The headers of a record for an event with ``key``."""
    return [] if key is None else [(KEY_HEADER, key.encode())]


def header_key(headers: Sequence[tuple[str, bytes]]) -> str | None:
    """The event's key in a record's headers; None if they have none.

    Raises:
        BadRecord: it cannot be the key of an event.
    """
    key = unchecked_header_key(headers)
    return None if key is None else _checked_key(key)


def unchecked_header_key(headers: Sequence[tuple[str, bytes]]) -> str | None:
    """The same, for a key that is only looked up: it may be one that no event can have.

    Raises:
        BadRecord: it is not UTF-8.
    """
    for name, value in reversed(headers):  # if a name is repeated the last header counts, as in Kafka's lastHeader
        if name == KEY_HEADER:
            try:
                return value.decode() if value is not None else ""
            except UnicodeDecodeError:
                raise _bad("bad_event_key", "not UTF-8") from None
    return None


def is_event_key(key: str) -> bool:
    """Whether ``key`` is a valid event key: 1 to 128 bytes of UTF-8."""
    try:
        return 0 < len(key.encode()) <= EVENT_KEY_BYTES_MAX
    except UnicodeEncodeError:
        return False


def _bad(reason: str, detail: str = "") -> BadRecord:
    return BadRecord(reason, REASONS[reason] + (f" ({detail})" if detail else ""))


def _check_syntax(value: bytes) -> None:
    try:
        _RAW.decode(value)  # checks the syntax, but not that strings are UTF-8
        if not value.isascii():
            value.decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad("not_json", str(error)) from None
    except RecursionError:
        raise _bad("too_deep", f"at most {JSON_DEPTH_MAX} levels") from None


def _check_depth(value: bytes) -> None:
    # A short value, or one with few brackets, cannot be deep. Only the others need the slow check.
    if len(value) <= 2 * JSON_DEPTH_MAX or value.count(b"[") + value.count(b"{") <= JSON_DEPTH_MAX:
        return
    if _depth(value) > JSON_DEPTH_MAX:
        raise _bad("too_deep", f"at most {JSON_DEPTH_MAX} levels")


def _field_key(value: bytes, key_field: str) -> str | None:
    try:
        fields = msgspec.json.decode(value)
    except msgspec.DecodeError:  # JSON allows numbers and surrogates that msgspec refuses
        fields = json.loads(value, parse_int=float)
    key = fields.get(key_field) if isinstance(fields, dict) else None
    return _checked_key(key) if isinstance(key, str) else None


def _checked_key(key: str) -> str:
    if not is_event_key(key):
        raise _bad("bad_event_key", repr(key[:80]))
    return key


def _has_lone_surrogates(value: bytes) -> bool:
    """Whether ``value``, which msgspec refused, is JSON with escapes of unpaired surrogates. JSON allows them, and
    producers write them when they cut a text in the middle of an emoji."""
    if b"\\u" not in value:
        return False
    try:
        json.loads(value.decode(), parse_int=float, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: bytes) -> int:
    """How deeply ``value``, which is valid JSON, is nested. Does not recurse."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in value:
        if in_string:
            if escaped:
                escaped = False
            elif byte == _BACKSLASH:
                escaped = True
            elif byte == _QUOTATION_MARK:
                in_string = False
        elif byte == _QUOTATION_MARK:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
