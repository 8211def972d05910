"""Player action -> log record, and back: the contract with those who read what players did.

A record's key is the player's id, so a player's actions are in one partition, in the order in which they were taken.
Its value is one JSON object, `ActionRecord`. Its headers repeat what a reader may want to choose by without reading the
value. The same action can be in the log more than once: (player, session, id) says so, and the copies are at most
`limits.ACTION_RESEND_S_MAX` apart, with what an append takes.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

import msgspec

from .codecs import Codec, integer
from .errors import BadRecord
from .limits import JSON_DEPTH_MAX
from .messages import ActionId, ActionKind, SessionName
from .records import check_json
from .rooms import is_room_id

ROOM_HEADER = "room"
KIND_HEADER = "kind"
SESSION_HEADER = "session"
ID_HEADER = "id"


class ActionRecord(msgspec.Struct, frozen=True):
    """The value of a record of ``player-actions``. ``received_ms``: when ``edge`` had it, in Unix milliseconds."""

    player: str
    room: str
    kind: ActionKind
    data: msgspec.Raw
    session: SessionName
    id: ActionId
    received_ms: int
    edge: str


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ActionRecord)
_MSGPACK_DECODER = msgspec.msgpack.Decoder()
_NULL = b"null"
_SCALARS = frozenset((str, int, bool, type(None)))


def is_player(player: str) -> bool:
    """Whether ``player`` can name a player. It is a record's key, as a room's id is, and held to the same rule."""
    return is_room_id(player)


def json_data(codec: Codec, data: msgspec.Raw) -> bytes:
    """The ``data`` of an `Action` that came in by ``codec``, as JSON; ``null`` where it was absent.

    JSON is passed on byte for byte. Of msgpack only what JSON has too is taken: no bytes, no extensions, no NaN and no
    infinity, and no keys but strings.

    Raises:
        BadRecord: it cannot be JSON in UTF-8, or is nested too deep; the sentence says which, and is for the player.
    """
    if codec.name == "json":
        value = bytes(data) or _NULL
        check_json(value)
        return value
    return _json_of_msgpack(bytes(data)) if data else _NULL


def encode_action(action: ActionRecord) -> bytes:
    """The value of the record; ``action.data`` is JSON."""
    return _ENCODER.encode(action)


def action_headers(action: ActionRecord) -> list[tuple[str, bytes]]:
    """The headers of the record."""
    return [
        (ROOM_HEADER, action.room.encode()),
        (KIND_HEADER, action.kind.encode()),
        (SESSION_HEADER, action.session.encode()),
        (ID_HEADER, b"%d" % action.id),
    ]


def decode_action(value: bytes | None) -> ActionRecord:
    """Read the value of a record.

    Raises:
        BadRecord: it is none of an action.
    """
    if value is None:
        raise BadRecord("bad_action", "the record has no value, so it is no action")
    try:
        action = _DECODER.decode(value)
        check_json(bytes(action.data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadRecord) as error:
        raise BadRecord("bad_action", f"the record's value is no action: {error}") from None
    if not is_player(action.player):
        raise BadRecord("bad_action", f"the record's value is no action: {action.player[:80]!r} can be no player's id")
    return action


def read_data(action: ActionRecord) -> Any:
    """The action's data as Python has it. Numbers that a float cannot hold become infinite, as in a browser."""
    try:
        return msgspec.json.decode(action.data)
    except msgspec.DecodeError:  # a number in it is beyond msgspec, not beyond JSON
        return json.loads(bytes(action.data), parse_int=integer)


def _json_of_msgpack(data: bytes) -> bytes:
    try:
        value = _MSGPACK_DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRecord("not_json", f"the data is not valid msgpack: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    _check_plain(value, 0)
    return _ENCODER.encode(value)


def _check_plain(value: Any, depth: int) -> None:
    """Make sure that JSON can say ``value``, which is ``depth`` levels deep in another."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise BadRecord("not_json", f"the data has an object with a key that is no string: {key!r:.80}")
        _check_items(value.values(), depth)
    elif kind is list:
        _check_items(value, depth)
    elif kind is float:
        if not math.isfinite(value):
            raise BadRecord("not_json", f"the data holds a number that JSON does not have: {value}")
    elif kind not in _SCALARS:
        raise BadRecord("not_json", f"the data holds what JSON cannot say: msgpack of type {kind.__name__}")


def _check_items(items: Iterable[Any], depth: int) -> None:
    if depth >= JSON_DEPTH_MAX:
        raise _too_deep()
    for item in items:
        _check_plain(item, depth + 1)


def _too_deep() -> BadRecord:
    return BadRecord("too_deep", f"the data is nested deeper than {JSON_DEPTH_MAX} levels")
