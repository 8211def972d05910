"""A codec that shows every message from the server to an observer, so that nothing is decoded twice. Pure.

All clients of a room receive the same bytes, so a message is decoded once per process: `Decoded` remembers it. The
driver shows the messages of the client: a session also encodes messages to learn how long they would be.
"""

from typing import Protocol

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import ServerMessage

MESSAGES_MAX = 2048
"""Messages that are remembered. Thousands of clients read the same one within a few milliseconds."""
BYTES_MAX = 16_384
"""The longest message that is remembered; longer ones are states, which differ by the request that they answer."""


class Decoded:
    """Decodes with ``codec``, and remembers what it has decoded lately."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._messages: dict[bytes, ServerMessage] = {}

    def decode(self, payload: bytes) -> ServerMessage:
        """The message; it must not be changed.

        Raises:
            BadMessage: as in `Codec`.
        """
        message = self._messages.get(payload)
        if message is None:
            message = self.codec.decode_server(payload)
            if len(payload) <= BYTES_MAX:
                if len(self._messages) >= MESSAGES_MAX:
                    self._messages.clear()
                self._messages[payload] = message
        return message


class Tap(Protocol):
    """Hears every message."""

    def received(self, message: ServerMessage, size_bytes: int) -> None:
        """A message has arrived."""


class TappedCodec(Codec):
    """The codec of ``decoded``, whose encoders and decoders it shares, heard by ``tap``."""

    __slots__ = ("_decoded", "_tap")

    def __init__(self, decoded: Decoded, tap: Tap) -> None:
        for name in Codec.__slots__:
            setattr(self, name, getattr(decoded.codec, name))
        self._decoded = decoded
        self._tap = tap

    def decode_server(self, payload: bytes) -> ServerMessage:
        """Decode a message from a server.

        Raises:
            BadMessage: as in `Codec`.
        """
        message = self._decoded.decode(payload)
        self._tap.received(message, len(payload))
        return message
