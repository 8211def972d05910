"""A codec that shows every message from the server to an observer, so that nothing is decoded twice. Pure.

The driver shows the messages of the client: a session also encodes messages to learn how long they would be.
"""

from typing import Protocol

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import ServerMessage


class Tap(Protocol):
    """Hears every message."""

    def received(self, message: ServerMessage, size_bytes: int) -> None:
        """A message has arrived."""


class TappedCodec(Codec):
    """``codec``, whose encoders and decoders it shares, heard by ``tap``."""

    __slots__ = ("_tap",)

    def __init__(self, codec: Codec, tap: Tap) -> None:
        for name in Codec.__slots__:
            setattr(self, name, getattr(codec, name))
        self._tap = tap

    def decode_server(self, payload: bytes) -> ServerMessage:
        """Decode a message from a server.

        Raises:
            BadMessage: as in `Codec`.
        """
        message = super().decode_server(payload)
        self._tap.received(message, len(payload))
        return message
