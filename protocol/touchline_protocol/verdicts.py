"""Verdict -> log record, and back: the contract with those who judge what players do.

A record's key is the player's id and its value one JSON object, `VerdictRecord`; null is a pardon without a word. The
topic is compacted: **the newest record of a player alone says how the player stands**, so a milder verdict lifts a
harsher one, and who writes verdicts must not do that unless it is meant. The header ``key`` makes the embedded log keep
a player's newest verdict as it keeps the state of a room.
"""

from typing import Annotated, Any, TypeAlias

import msgspec

from .actions import is_player
from .errors import BadRecord
from .limits import VERDICT_TEXT_CHARS_MAX
from .messages import VerdictKind
from .records import headers_for

VERDICT_KEY = "verdict"
"""The event key of all verdicts."""

VERDICT_HEADERS = headers_for(VERDICT_KEY)


Time: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""Unix milliseconds that every codec, and JavaScript, can hold."""


class VerdictRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of ``cheat-verdicts``.

    ``until`` (Unix milliseconds) ends a mute or a ban; None is for ever. ``reason`` is for the player; ``rule`` and
    ``evidence`` are for those who look into it, and no edge reads them. ``decided_ms``: when it was decided.
    """

    kind: VerdictKind
    reason: Annotated[str, msgspec.Meta(max_length=VERDICT_TEXT_CHARS_MAX)]
    until: Time | None = None
    rule: str | None = None
    evidence: Any = None
    decided_ms: Time | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(VerdictRecord)
_PARDON = VerdictRecord(kind="pardon", reason="")


def encode_verdict(verdict: VerdictRecord) -> bytes:
    """The value of the record."""
    return _ENCODER.encode(verdict)


def decode_verdict(key: bytes | None, value: bytes | None) -> tuple[str, VerdictRecord]:
    """The player and the verdict that a record tells.

    Raises:
        BadRecord: it tells none.
    """
    try:
        player = (key or b"").decode()
    except UnicodeDecodeError:
        player = ""
    if not is_player(player):
        raise BadRecord("bad_player", f"the record's key is no player's id: {(key or b'')[:80]!r}")
    if value is None or value.strip() == b"null":
        return player, _PARDON
    try:
        return player, _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord("bad_verdict", f"the record's value is no verdict: {error}") from None
