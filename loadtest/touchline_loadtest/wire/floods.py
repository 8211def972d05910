"""Floods: what a client sends over and over, as frames that are ready to send."""

import struct
from enum import StrEnum

from touchline_protocol.codecs import JSON
from touchline_protocol.frames import FIN
from touchline_protocol.messages import Action, Message, Refresh, RoomRequest, Subscribe, Unsubscribe

from .frames import masked

ROOMS = [f"match:flood-{number}" for number in range(100)]
"""As many as one message may name, and a connection may be in. Nothing is ever published to them."""
BLOCK_BYTES = 64 * 1024
_OP_PING = 0x9
_PING = struct.pack("!BB4x", FIN | _OP_PING, 0x80)
"""An empty ping, masked with zeros."""


class Flood(StrEnum):
    """The kinds of floods."""

    SUBSCRIBE = "subscribe"
    PINGS = "pings"
    REFUSED_ACTIONS = "refused-actions"
    REFRESH = "refresh"


def block(flood: Flood, token: str) -> bytes:
    """At least `BLOCK_BYTES` of a flood, in whole frames. ``token`` is what a refresh presents."""
    once = _once(flood, token)
    return once * (1 + BLOCK_BYTES // len(once))


def _once(flood: Flood, token: str) -> bytes:
    messages: dict[Flood, list[Message]] = {
        Flood.SUBSCRIBE: [Subscribe(rooms=[RoomRequest(room=room) for room in ROOMS]), Unsubscribe(rooms=ROOMS)],
        Flood.REFUSED_ACTIONS: [Action(id=1, room="match:1", kind="tap")],
        Flood.REFRESH: [Refresh(token=token)],
    }
    return _PING if flood is Flood.PINGS else b"".join(masked(JSON.encode(message)) for message in messages[flood])
