"""Puts the fragments of a client's messages together, and checks each message before it is decoded.

There is one message at a time: fragments of two cannot be mixed (RFC 6455, section 5.4), as websockets checks.
"""

from websockets.frames import Frame, Opcode

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.frames import OP_BINARY
from touchline_protocol.limits import FRAGMENTS_PER_MESSAGE_MAX


class BadMessage(Exception):
    """A message that closes its connection, with a ``code`` and a ``reason``, which may be empty."""

    def __init__(self, code: codes.CloseCode, reason: str = "") -> None:
        super().__init__(reason or code.name)
        self.code = code
        self.reason = reason


class MessageBuffer:
    """The fragments of the message that is under way."""

    __slots__ = ("_fragments",)

    def __init__(self) -> None:
        self._fragments: list[bytes] | None = None

    def clear(self) -> None:
        """Drop the fragments: nothing more is served."""
        self._fragments = None

    def add(self, frame: Frame, codec: Codec, bytes_max: int) -> bytes | None:
        """Add a data frame; returns the message that it ends, or None.

        Raises:
            BadMessage: the frame is not of the codec's kind, or the message is too long, in too many fragments, or text
                that is not UTF-8.
        """
        if (frame.opcode == OP_BINARY and codec.opcode != OP_BINARY) or (
            frame.opcode is Opcode.TEXT and codec.opcode == OP_BINARY
        ):
            raise BadMessage(codes.WRONG_FRAME, f"the subprotocol is {codec.subprotocol}")
        payload = self._join(frame)
        if payload is None:
            return None
        if len(payload) > bytes_max:  # see `opening.SPARE_BYTES`
            raise BadMessage(codes.TOO_BIG)
        if codec.opcode != OP_BINARY:
            try:
                payload.decode()
            except UnicodeDecodeError:
                raise BadMessage(codes.INVALID_TEXT) from None
        return payload

    def _join(self, frame: Frame) -> bytes | None:
        if frame.fin and self._fragments is None:
            return bytes(frame.data)
        if self._fragments is None:
            self._fragments = []
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            payload, self._fragments = b"".join(self._fragments), None
            return payload
        if len(self._fragments) >= FRAGMENTS_PER_MESSAGE_MAX:
            raise BadMessage(codes.TOO_BIG, f"more than {FRAGMENTS_PER_MESSAGE_MAX} fragments")
        return None
