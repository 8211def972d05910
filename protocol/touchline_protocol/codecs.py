"""The codecs: how messages become bytes on a connection, and back.

A codec is a subprotocol of the WebSocket: ``touchline.v1.json`` in text frames, ``touchline.v1.msgpack`` in binary
ones. There is one object of each; `fan_out` has the forms in which a server writes them beside plain frames.

Rules: an event's value is JSON bytes and is passed on untouched by json. Only msgpack has to read it, and does so once
per event. Numbers that msgpack cannot hold (integers beyond 64 bits) become floats there, lone surrogates become ``?``.
"""

import json
from typing import Any, Final, Literal, cast

import msgspec

from . import codes
from .errors import BadMessage
from .frames import OP_BINARY, OP_TEXT, frame
from .messages import Action, ActionId, ClientMessage, Message, PrevId, ServerMessage

CodecName = Literal["json", "msgpack"]

_DIGITS_OF_64_BITS = 20  # with the sign; longer integers need not be looked at as numbers


class _Envelope(msgspec.Struct):
    """The least that a message has: read where the whole could not be."""

    type: str
    id: Any = None
    prev: Any = None


class Codec:
    """Encodes and decodes messages in one format.

    ``index`` says where an event keeps what was made of it for this codec, and counts from 0; ``subprotocol`` names it
    in the handshake; ``opcode`` is that of its frames. ``plain`` is the codec with the same payloads in plain frames.
    """

    __slots__ = (
        "_client_decoder",
        "_encoder",
        "_envelope_decoder",
        "_server_decoder",
        "index",
        "name",
        "opcode",
        "plain",
    )

    def __init__(self, index: int, name: CodecName) -> None:
        self.index: Final = index
        self.name: Final = name
        self.plain: Codec = self
        if name == "json":
            self.opcode = OP_TEXT
            self._encoder: msgspec.json.Encoder | msgspec.msgpack.Encoder = msgspec.json.Encoder()
            self._client_decoder: Any = msgspec.json.Decoder(ClientMessage)
            self._server_decoder: Any = msgspec.json.Decoder(ServerMessage)
            self._envelope_decoder: Any = msgspec.json.Decoder(_Envelope)
        else:
            self.opcode = OP_BINARY
            self._encoder = msgspec.msgpack.Encoder()
            self._client_decoder = msgspec.msgpack.Decoder(ClientMessage)
            self._server_decoder = msgspec.msgpack.Decoder(ServerMessage)
            self._envelope_decoder = msgspec.msgpack.Decoder(_Envelope)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def subprotocol(self) -> str:
        """The name of this codec in ``Sec-WebSocket-Protocol``."""
        return f"touchline.v1.{self.name}"

    def encode(self, message: Message) -> bytes:
        """The payload of ``message``. Where a field holds `msgspec.Raw`, those bytes are taken as they are."""
        return self._encoder.encode(message)

    def frame(self, message: Message, epoch: str = "") -> bytes:
        """``message`` as a whole server frame. ``epoch`` is that of the room whose event it is."""
        return frame(self.opcode, self._encoder.encode(message))

    def value(self, json_value: bytes) -> Any:
        """An event's JSON value in the form in which `encode` takes it as ``data``."""
        if self.name == "json":
            return msgspec.Raw(json_value)
        return msgspec.Raw(_msgpack_of_json(json_value, self._encoder))

    def decode_client(self, payload: bytes) -> ClientMessage:
        """Read a message that a client sent.

        Raises:
            BadMessage: with code ``bad_message`` or ``unknown_type``, and what is wrong in words.
        """
        message: ClientMessage = self._decode(payload, self._client_decoder)
        return message

    def decode_server(self, payload: bytes) -> ServerMessage:
        """Read a message that a server sent.

        Raises:
            BadMessage: as `decode_client`. A client should pass over an ``unknown_type``: it is from a newer server.
        """
        try:
            message: ServerMessage = self._decode(payload, self._server_decoder)
        except BadMessage:
            if self.name != "json":
                raise
            # An event's data may hold a number or a surrogate that msgspec refuses and JSON allows: look with json.
            try:
                message = msgspec.convert(json.loads(payload.decode(), parse_int=integer), ServerMessage)
            except (ValueError, RecursionError, msgspec.ValidationError):
                message = None  # type: ignore[assignment]
            if message is None:
                raise
        return message

    def _decode(self, payload: bytes, decoder: Any) -> Any:
        try:
            return decoder.decode(payload)
        except msgspec.ValidationError as error:
            raise self._why(payload, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadMessage(codes.BAD_MESSAGE.code, f"the message is not {self.name}: {error}") from None

    def _why(self, payload: bytes, error: msgspec.ValidationError) -> BadMessage:
        """Tell a message of an unknown type from one of a known type with a wrong field."""
        try:
            envelope = self._envelope_decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return BadMessage(
                codes.BAD_MESSAGE.code, 'a message is an object with its "type", as {"type":"hello"}: ' + str(error)
            )
        kind = envelope.type
        if str(error).endswith("at `$.type`"):
            return BadMessage(codes.UNKNOWN_TYPE.code, f"there is no message of type {kind[:40]!r}")
        why = f"{kind[:40]}: {error}"
        if kind != Action.__struct_config__.tag:
            return BadMessage(codes.BAD_MESSAGE.code, why)
        return BadMessage(codes.BAD_MESSAGE.code, why, _read_as(ActionId, envelope.id), _read_as(PrevId, envelope.prev))


def _read_as(kind: Any, value: object) -> int | None:
    """``value`` if it is of a kind, else None."""
    try:
        return cast(int, msgspec.convert(value, kind))
    except msgspec.ValidationError:
        return None


def _msgpack_of_json(json_value: bytes, encoder: Any) -> bytes:
    try:
        return encoder.encode(msgspec.json.decode(json_value))  # type: ignore[no-any-return]
    except (msgspec.ValidationError, msgspec.DecodeError, OverflowError, UnicodeError):
        return encoder.encode(_tamed(json.loads(json_value, parse_int=_number)))  # type: ignore[no-any-return]


def integer(digits: str) -> int | float:
    """A JSON integer of any length; where Python refuses it for that (from 4,301 digits on), the nearest float."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _number(digits: str) -> int | float:
    """A JSON integer: as it is where 64 bits hold it, else the nearest float (so it loses digits, as in a browser)."""
    if len(digits) <= _DIGITS_OF_64_BITS and -(2**63) <= int(digits) < 2**64:
        return int(digits)
    return float(digits)


def _tamed(value: Any) -> Any:
    """``value`` with strings that UTF-8 can hold."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_tamed(item) for item in value]
    if isinstance(value, dict):
        return {_tamed(key): _tamed(item) for key, item in value.items()}
    return value


JSON = Codec(0, "json")
MSGPACK = Codec(1, "msgpack")
CODECS = (JSON, MSGPACK)
BY_SUBPROTOCOL = {codec.subprotocol: codec for codec in CODECS}
