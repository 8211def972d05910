"""Player action -> log record, and back: the contract with readers of what players do.

A record's key is the player's id, so a player's actions are in one partition, in the order in which they were taken.
Its value is one JSON object, an `ActionRecord`. Its headers repeat the fields that a reader may want to filter by
without decoding the value. The log may hold an action more than once; such duplicates have the same (player, session,
id) and are at most `limits.ACTION_RESEND_S_MAX` apart, plus the time that an append takes.

Rule: an action's data is the same value for every reader. It is I-JSON (RFC 7493), with integers of up to 64 bits: what
MessagePack and JSON can both represent. Anything else is refused, not converted.
"""

from typing import Any

import msgspec

from .codecs import Codec
from .errors import BadRecord
from .limits import JSON_DEPTH_MAX, ROOM_ID_BYTES_MAX
from .messages import ActionId, ActionKind, SessionName
from .records import check_json
from .rooms import is_name
from .tracing.traceparent import traceparent_headers

ROOM_HEADER = "room"
KIND_HEADER = "kind"
SESSION_HEADER = "session"
ID_HEADER = "id"


class ActionRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of ``player-actions``.

    ``received_ms`` is when ``edge`` received it, in Unix milliseconds by the edge's ``clock``. Only times by the same
    clock can be subtracted: they never go back, and pass as fast as real time.
    """

    player: str
    room: str
    kind: ActionKind
    data: msgspec.Raw
    session: SessionName
    id: ActionId
    received_ms: int
    edge: str
    clock: str = ""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ActionRecord)
_NULL = b"null"


def is_player(player: str) -> bool:
    """Whether ``player`` can be a player's id. It is a record's key, like a room's id."""
    return is_name(player, ROOM_ID_BYTES_MAX)


def json_data(codec: Codec, data: msgspec.Raw) -> bytes:
    """The ``data`` of an `Action` that arrived in ``codec``, as JSON; ``null`` if it was absent.

    JSON is passed on byte for byte.

    Raises:
        BadRecord: as in `check_data`; the message is addressed to the player.
    """
    if not data:
        return _NULL
    if codec.name == "msgpack":
        return _json_of_msgpack(bytes(data))
    value = bytes(data)
    check_data(value)
    return value


def check_data(value: bytes) -> None:
    """Check that ``value`` can be an action's data.

    Raises:
        BadRecord: ``not_json`` if the value is not JSON in UTF-8, or holds a number that some readers could not
            represent; ``too_deep`` if it is nested too deeply.
    """
    check_json(value)
    try:
        msgspec.msgpack.encode(msgspec.json.decode(value))
    except (msgspec.ValidationError, OverflowError):
        raise BadRecord(
            "not_json", "the data holds a number beyond 64-bit integers and 64-bit floats: send it as text"
        ) from None


def encode_action(action: ActionRecord) -> bytes:
    """Encode ``action``, whose data is JSON, as the value of a record."""
    return _ENCODER.encode(action)


def action_headers(action: ActionRecord, traceparent: str | None = None) -> list[tuple[str, bytes]]:
    """The headers of the record; ``traceparent`` is the span that the record continues."""
    return [
        (ROOM_HEADER, action.room.encode()),
        (KIND_HEADER, action.kind.encode()),
        (SESSION_HEADER, action.session.encode()),
        (ID_HEADER, b"%d" % action.id),
        *traceparent_headers(traceparent),
    ]


def decode_action(value: bytes | None) -> ActionRecord:
    """Decode the value of a record.

    Raises:
        BadRecord: ``bad_action``: the value is not an action.
    """
    if value is None:
        raise BadRecord("bad_action", "the record has no value, so it cannot be an action")
    try:
        action = _DECODER.decode(value)
        check_data(bytes(action.data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadRecord) as error:
        raise BadRecord("bad_action", f"the record's value is not an action: {error}") from None
    if not is_player(action.player):
        raise BadRecord("bad_action", f"the record's value is not an action: invalid player {action.player[:80]!r}")
    return action


def read_data(action: ActionRecord) -> Any:
    """The action's data as Python values."""
    return msgspec.json.decode(action.data)


def _json_of_msgpack(data: bytes) -> bytes:
    """Convert ``data`` if the JSON reads back as the same value: msgspec converts bytes, NaN and integer keys, too."""
    try:
        value = msgspec.msgpack.decode(data)
        encoded = _ENCODER.encode(value)
        is_same = msgspec.json.decode(encoded) == value
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRecord("not_json", f"the data is not valid msgpack: {error}") from None
    except TypeError:  # an extension, or a key of a type that JSON does not have
        is_same = False
    except RecursionError:
        raise BadRecord("too_deep", f"the data is nested deeper than {JSON_DEPTH_MAX} levels") from None
    if not is_same:
        raise BadRecord(
            "not_json",
            "the data must be JSON: without bytes, extensions, timestamps, NaN or infinity, and with strings as keys",
        )
    check_json(encoded)
    return encoded
