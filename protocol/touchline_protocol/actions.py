"""Player action -> log record, and back: the contract with those who read what players did.

A record's key is the player's id, so a player's actions are in one partition, in the order in which they were taken.
Its value is one JSON object, `ActionRecord`. Its headers repeat what a reader may want to choose by without reading the
value. The same action can be in the log more than once: (player, session, id) says so, and the copies are at most
`limits.ACTION_RESEND_S_MAX` apart, with what an append takes.
"""

import msgspec

from .errors import BadRecord
from .rooms import is_room_id

ROOM_HEADER = "room"
KIND_HEADER = "kind"
SESSION_HEADER = "session"
ID_HEADER = "id"


class ActionRecord(msgspec.Struct, frozen=True):
    """The value of a record of ``player-actions``. ``received_ms``: when ``edge`` had it, in Unix milliseconds."""

    player: str
    room: str
    kind: str
    data: msgspec.Raw
    session: str
    id: int
    received_ms: int
    edge: str


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ActionRecord)


def is_player(player: str) -> bool:
    """Whether ``player`` can name a player. It is a record's key, as a room's id is, and held to the same rule."""
    return is_room_id(player)


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
        raise BadRecord("null_action", "the record has no value, so it is no action")
    try:
        return _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord("bad_action", f"the record's value is no action: {error}") from None
