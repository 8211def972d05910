"""Verdict -> log record, and back: the contract with cheat detectors.

A record's key is the player's id. Its value is one JSON object, a `VerdictRecord`; null is a pardon without an
explanation. The topic is compacted: **only the newest record of a player counts**, so a milder verdict lifts a harsher
one, and a detector must not write one unless that is intended. The header ``key`` makes the embedded log keep a
player's newest verdict in the way that it keeps the state of a room.
"""

from typing import Annotated, Any, TypeAlias

import msgspec

from .actions import is_player
from .errors import BadRecord
from .limits import VERDICT_TEXT_CHARS_MAX
from .messages import VerdictKind
from .records import headers_for

VERDICT_KEY = "verdict"
"""The event key that all verdicts share."""

VERDICT_HEADERS = headers_for(VERDICT_KEY)


Time: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""Unix milliseconds, within the range that every codec and JavaScript can represent."""


class VerdictRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of ``cheat-verdicts``.

    ``until`` (Unix milliseconds) is the end of a mute or a ban; None means forever. ``reason`` is addressed to the
    player. ``rule`` and ``evidence`` are for investigators, and edges do not read them. ``decided_ms`` is the time of
    the decision.
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
    """Encode ``verdict`` as the value of a record."""
    return _ENCODER.encode(verdict)


def decode_verdict(key: bytes | None, value: bytes | None) -> tuple[str, VerdictRecord]:
    """Read the player and the verdict from a record.

    Raises:
        BadRecord: the key is not a player's id, or the value is not a verdict.
    """
    try:
        player = (key or b"").decode()
    except UnicodeDecodeError:
        player = ""
    if not is_player(player):
        raise BadRecord("bad_player", f"the record's key is not a player's id: {(key or b'')[:80]!r}")
    if value is None or value.strip() == b"null":
        return player, _PARDON
    try:
        return player, _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord("bad_verdict", f"the record's value is not a verdict: {error}") from None
