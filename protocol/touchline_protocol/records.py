"""Log record -> event, and back: the contract with those who produce to Kafka.

A record's key is the room's id (UTF-8). Its value is JSON, or null to remove the event's key. The event's key comes
from the record header ``key``, or from a top-level string field of the value that the feed is configured with.

What no event can be made of raises `BadRecord` with one of `REASONS`; whoever reads the log counts it, logs it with its
place, and goes on: a bad record is never fatal.
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
    "bad_room_id": "the record's key cannot be a room's id",
    "bad_event_key": "the event's key is empty, too long, or not UTF-8",
    "null_without_key": "the value is null, and there is no event key that it could remove",
    "too_large": "the value is larger than an event's may be",
    "not_json": "the value is not JSON in UTF-8",
    "too_deep": "the value is nested deeper than it may be",
}


class Record(Protocol):
    """A record as a log hands it out. aiokafka's `ConsumerRecord` is one as it stands."""

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


class Parsed(NamedTuple):
    """What a record says: ``value`` is JSON bytes, ``null`` for a removal."""

    room_id: str
    key: str | None
    value: bytes


_RAW = msgspec.json.Decoder(msgspec.Raw)
_NULL = b"null"
_BACKSLASH, _QUOTATION_MARK = b'\\"'


def parse_record(record: Record, key_field: str | None = None) -> Parsed:
    """Read a record of a feed.

    Raises:
        BadRecord: with the reason and a sentence; the caller knows the place and adds it.
    """
    return Parsed(parse_room_id(record.key), *parse_event(record, key_field))


def parse_room_id(key: bytes | None) -> str:
    """The room's id in a record's key.

    Raises:
        BadRecord: there is none.
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
    """The event's key and value, as in `Parsed`.

    Raises:
        BadRecord: they are none.
    """
    value = record.value
    if value is None:
        key = _header_key(record.headers)
        if key is None:
            raise _bad("null_without_key")
        return key, _NULL
    check_value(value)
    if value.strip() == _NULL:
        value = _NULL  # so that everybody knows a removal by its bytes
    key = _header_key(record.headers) if record.headers else None
    if key is None and key_field is not None:
        key = _field_key(value, key_field)
    return key, value


def check_value(value: bytes) -> None:
    """Make sure that ``value`` can be an event's value.

    Raises:
        BadRecord: too large, not JSON in UTF-8, or nested too deep.
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
    """Make sure that ``value`` is JSON of texts that UTF-8 can hold, so without lone surrogates, of any size.

    Raises:
        BadRecord: not JSON in UTF-8, or nested too deep.
    """
    _check_syntax(value)
    _check_depth(value)


def headers_for(key: str | None) -> list[tuple[str, bytes]]:
    """The headers of a record whose event has ``key``."""
    return [] if key is None else [(KEY_HEADER, key.encode())]


def is_event_key(key: str) -> bool:
    """Whether ``key`` may be an event's key: 1 to 128 bytes of UTF-8."""
    try:
        return 0 < len(key.encode()) <= EVENT_KEY_BYTES_MAX
    except UnicodeEncodeError:
        return False


def _bad(reason: str, detail: str = "") -> BadRecord:
    return BadRecord(reason, REASONS[reason] + (f" ({detail})" if detail else ""))


def _check_syntax(value: bytes) -> None:
    try:
        _RAW.decode(value)  # finds what is no JSON, but takes strings that are not UTF-8
        if not value.isascii():
            value.decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad("not_json", str(error)) from None
    except RecursionError:
        raise _bad("too_deep", f"at most {JSON_DEPTH_MAX} levels") from None


def _check_depth(value: bytes) -> None:
    # A short value, or one with few brackets, cannot be deep; only the others are worth the slower look.
    if len(value) <= 2 * JSON_DEPTH_MAX or value.count(b"[") + value.count(b"{") <= JSON_DEPTH_MAX:
        return
    if _depth(value) > JSON_DEPTH_MAX:
        raise _bad("too_deep", f"at most {JSON_DEPTH_MAX} levels")


def _header_key(headers: Sequence[tuple[str, bytes]]) -> str | None:
    for name, value in reversed(headers):  # of several headers of one name the last counts, as in Kafka's lastHeader
        if name == KEY_HEADER:
            try:
                key = value.decode() if value is not None else ""
            except UnicodeDecodeError:
                raise _bad("bad_event_key", "not UTF-8") from None
            return _checked_key(key)
    return None


def _field_key(value: bytes, key_field: str) -> str | None:
    try:
        fields = msgspec.json.decode(value)
    except msgspec.DecodeError:  # a number or a surrogate in it is beyond msgspec, not beyond JSON
        fields = json.loads(value, parse_int=float)
    key = fields.get(key_field) if isinstance(fields, dict) else None
    return _checked_key(key) if isinstance(key, str) else None


def _checked_key(key: str) -> str:
    if not is_event_key(key):
        raise _bad("bad_event_key", repr(key[:80]))
    return key


def _has_lone_surrogates(value: bytes) -> bool:
    """Whether ``value``, which msgspec refused, is JSON all the same: an escaped half of a surrogate pair is allowed
    there, and comes from producers that cut texts in the middle of an emoji."""
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
    """The depth of valid JSON, without recursion."""
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
