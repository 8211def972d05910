"""Presence -> log record, and back: the contract with back ends that want to know who is where.

A record's key is the name of its room, so a room's records are in one partition, in their order. Its value is one JSON
object, a `PresenceRecord` (``protocol/presence-record.schema.json``). Its header ``kind`` repeats that field, for those
who filter without decoding the value.

Rules for readers:

1. A record may be in the log more than once. Skip those whose ``seq`` is not greater than that of the room's record
   before: the numbers of a room rise, with gaps.
2. ``room_state`` replaces everything that is known of the room. Each occupied room has one every ``room_state_s``, and
   after records had to be dropped. So a room without a record for twice this time is empty.
3. ``room_empty`` means that none of its players is there any more, whatever is known of them.
4. Skip records of a kind that you do not know, and fields that you do not know.
"""

from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from touchline_protocol.errors import BadRecord

KIND_HEADER = "kind"

PresenceKind: TypeAlias = Literal["room_occupied", "room_empty", "player_joined", "player_left", "room_state"]
KINDS = frozenset(get_args(PresenceKind))

Seq: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
"""The number of a change: about the time in microseconds, within the range that JavaScript can represent."""


class PresenceRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of ``touchline-presence``.

    ``player`` is who joined or left. ``viewers`` and ``players`` belong to ``room_state``: how many connections are in
    the room, and which players; without ``players`` there are more than ``members_max``. ``time_ms`` is Unix time.
    """

    kind: PresenceKind
    room: str
    seq: Seq
    time_ms: int
    player: str | None = None
    viewers: Annotated[int, msgspec.Meta(ge=0)] | None = None
    players: list[str] | None = None


class _Kind(msgspec.Struct):
    kind: str


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(PresenceRecord)
_KIND_DECODER = msgspec.json.Decoder(_Kind)


def encode_presence(record: PresenceRecord) -> bytes:
    """Encode ``record`` as the value of a record."""
    return _ENCODER.encode(record)


def decode_presence(value: bytes | None) -> PresenceRecord | None:
    """Read a record's value. None if it is of a kind that this version does not know.

    Raises:
        BadRecord: the value is not a record of presence.
    """
    try:
        if _KIND_DECODER.decode(value or b"").kind not in KINDS:
            return None
        record = _DECODER.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord("bad_presence", f"the record's value is not a record of presence: {error}") from None
    if (record.player is not None) != record.kind.startswith("player_"):
        raise BadRecord("bad_presence", f"a record {record.kind} has a player, or has none, against its kind")
    if (record.viewers is not None) != (record.kind == "room_state"):
        raise BadRecord("bad_presence", f"a record {record.kind} has viewers, or has none, against its kind")
    return record
