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
    OVERSIZED = "oversized"
    IDLE = "idle"
    HALF_OPEN = "half-open"
    SLOW_HANDSHAKES = "slow-handshakes"


HALF_REQUEST = b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HELD: dict[Flood, tuple[bytes, bytes]] = {
    Flood.IDLE: (b"", b""),
    Flood.HALF_OPEN: (HALF_REQUEST, b""),
    Flood.SLOW_HANDSHAKES: (HALF_REQUEST + b"X: ", b"x"),
}
"""Floods of connections that never say hello: what each sends at once, and then ten times per second."""

OVERSIZED_BYTES = 1 << 20


def block(flood: Flood, token: str) -> bytes:
    """At least `BLOCK_BYTES` of a flood, in whole frames. ``token`` is what a refresh presents."""
    once = _once(flood, token)
    return once * (1 + BLOCK_BYTES // len(once))


def _once(flood: Flood, token: str) -> bytes:
    if flood is Flood.OVERSIZED:
        return masked(bytes(OVERSIZED_BYTES))
    messages: dict[Flood, list[Message]] = {
        Flood.SUBSCRIBE: [Subscribe(rooms=[RoomRequest(room=room) for room in ROOMS]), Unsubscribe(rooms=ROOMS)],
        Flood.REFUSED_ACTIONS: [Action(id=1, room="match:1", kind="tap")],
        Flood.REFRESH: [Refresh(token=token)],
    }
    return _PING if flood is Flood.PINGS else b"".join(masked(JSON.encode(message)) for message in messages[flood])
