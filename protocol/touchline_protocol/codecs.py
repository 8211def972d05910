"""The codecs: how messages become bytes on a connection, and back.

A codec is a subprotocol of the WebSocket: ``touchline.v1.json`` in text frames, ``touchline.v1.msgpack`` in binary
frames. There is one object of each; `server_codecs` adds the other forms in which a server writes messages.

Rules: an event's value is JSON bytes, which the json codec passes on unchanged. Only the msgpack codec parses them,
once per event. There, integers beyond 64 bits become floats, and unpaired surrogates become ``?``.
"""

import json
from typing import Any, Final, Literal, Union, cast, get_args

import msgspec

from . import codes
from .errors import BadMessage
from .frames import OP_BINARY, OP_TEXT, frame
from .messages import (
    Action,
    ActionId,
    ClientMessage,
    Event,
    Message,
    PrevId,
    ServerMessage,
    Subscribed,
)

CodecName = Literal["json", "msgpack"]

_DIGITS_OF_64_BITS = 20  # with the sign; longer integers cannot fit


class _RawEvent(Event, tag="event", frozen=True):
    """An event whose data stays JSON."""

    data: msgspec.Raw


class _RawSubscribed(Subscribed, tag="subscribed", frozen=True):
    """A room's events whose data stays JSON."""

    state: list[_RawEvent] = []  # type: ignore[assignment]  # noqa: RUF012
    recent: list[_RawEvent] = []  # type: ignore[assignment]  # noqa: RUF012


_RAW = {Event: _RawEvent, Subscribed: _RawSubscribed}
_RawServerMessage: Any = Union[tuple(_RAW.get(kind, kind) for kind in get_args(ServerMessage))]  # noqa: UP007 - made here


class _Envelope(msgspec.Struct):
    """The minimum of a message, read when the whole message cannot be."""

    type: str
    id: Any = None
    prev: Any = None


class Codec:
    """Encodes and decodes messages in one format.

    ``index`` counts from 0; an event caches its frame for this codec under it. ``subprotocol`` is the codec's name in
    the handshake, and ``opcode`` that of its frames. ``plain`` is the codec that writes the same payloads in plain
    frames. With ``raw`` the data of events that come from a server stays a `msgspec.Raw`: JSON, byte for byte.
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

    def __init__(self, index: int, name: CodecName, *, raw: bool = False) -> None:
        self.index: Final = index
        self.name: Final = name
        self.plain: Codec = self
        if name == "json":
            self.opcode = OP_TEXT
            self._encoder: msgspec.json.Encoder | msgspec.msgpack.Encoder = msgspec.json.Encoder()
            self._client_decoder: Any = msgspec.json.Decoder(ClientMessage)
            self._server_decoder: Any = msgspec.json.Decoder(_RawServerMessage if raw else ServerMessage)
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
        """This codec's name in ``Sec-WebSocket-Protocol``."""
        return f"touchline.v1.{self.name}"

    def encode(self, message: Message) -> bytes:
        """The payload of ``message``. A field that holds `msgspec.Raw` contributes those bytes unchanged."""
        return self._encoder.encode(message)

    def frame(self, message: Message, epoch: str = "") -> bytes:
        """``message`` as a whole server frame. ``epoch`` is that of the room."""
        return frame(self.opcode, self._encoder.encode(message))

    def without_id(self, framed: bytes) -> bytes:
        """An event's frame without its id, by which a client that reconnects would say that it has the event."""
        return framed

    def value(self, json_value: bytes) -> Any:
        """An event's JSON value in the form that `encode` expects as ``data``."""
        if self.name == "json":
            return msgspec.Raw(json_value)
        return msgspec.Raw(_msgpack_of_json(json_value, self._encoder))

    def decode_client(self, payload: bytes) -> ClientMessage:
        """Decode a message from a client.

        Raises:
            BadMessage: with code ``bad_message`` or ``unknown_type``, and a sentence that says what is wrong.
        """
        message: ClientMessage = self._decode(payload, self._client_decoder)
        if type(message) is Action and message.prev is not None and message.prev >= message.id:
            # It would wait for itself, or for a later one, and be told to come again for ever.
            raise BadMessage(codes.BAD_MESSAGE.code, "action: prev must be less than id", message.id)
        return message

    def decode_server(self, payload: bytes) -> ServerMessage:
        """Decode a message from a server.

        Raises:
            BadMessage: as in `decode_client`. A client should ignore an ``unknown_type``: the server is newer.
        """
        try:
            message: ServerMessage = self._decode(payload, self._server_decoder)
        except BadMessage:
            if self.name != "json":
                raise
            # An event's data may contain numbers and surrogates that JSON allows and msgspec refuses: try json.
            try:
                message = msgspec.convert(json.loads(payload.decode(), parse_int=_integer), ServerMessage)
            except (ValueError, RecursionError, msgspec.ValidationError):
                message = None  # type: ignore[assignment]
            if message is None:
                raise
        return message

    def _decode(self, payload: bytes, decoder: Any) -> Any:
        try:
            return decoder.decode(payload)
        except msgspec.ValidationError as error:
            raise self._explain(payload, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadMessage(codes.BAD_MESSAGE.code, f"the message is not {self.name}: {error}") from None

    def _explain(self, payload: bytes, error: msgspec.ValidationError) -> BadMessage:
        """Distinguish an unknown message type from an invalid field in a known one."""
        try:
            envelope = self._envelope_decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return BadMessage(
                codes.BAD_MESSAGE.code, 'a message is an object with a "type", such as {"type":"hello"}: ' + str(error)
            )
        kind = envelope.type
        if str(error).endswith("at `$.type`"):
            return BadMessage(codes.UNKNOWN_TYPE.code, f"there is no message type {kind[:40]!r}")
        why = f"{kind[:40]}: {error}"
        if kind != Action.__struct_config__.tag:
            return BadMessage(codes.BAD_MESSAGE.code, why)
        return BadMessage(codes.BAD_MESSAGE.code, why, _read_as(ActionId, envelope.id), _read_as(PrevId, envelope.prev))


def _read_as(kind: Any, value: object) -> int | None:
    """``value`` if it is valid for ``kind``, otherwise None."""
    try:
        return cast(int, msgspec.convert(value, kind))
    except msgspec.ValidationError:
        return None


def _msgpack_of_json(json_value: bytes, encoder: Any) -> bytes:
    try:
        return encoder.encode(msgspec.json.decode(json_value))  # type: ignore[no-any-return]
    except (msgspec.ValidationError, msgspec.DecodeError, OverflowError, UnicodeError):
        return encoder.encode(_without_surrogates(json.loads(json_value, parse_int=_number)))  # type: ignore[no-any-return]


def _integer(digits: str) -> int | float:
    """A JSON integer of any length. Python refuses those of more than 4,300 digits, which become the nearest float."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _number(digits: str) -> int | float:
    """A JSON integer if it fits into 64 bits, otherwise the nearest float, which loses digits as in a browser."""
    if len(digits) <= _DIGITS_OF_64_BITS and -(2**63) <= int(digits) < 2**64:
        return int(digits)
    return float(digits)


def _without_surrogates(value: Any) -> Any:
    """``value`` with each unpaired surrogate replaced by ``?``, since UTF-8 cannot represent it."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


JSON = Codec(0, "json")
RAW_JSON = Codec(0, "json", raw=True)
"""The codec of a client that passes events on. Python's values would lose some of what JSON can hold: numbers of any
size and precision, and keys that stand twice in an object."""
MSGPACK = Codec(1, "msgpack")
CODECS = (JSON, MSGPACK)
BY_SUBPROTOCOL = {codec.subprotocol: codec for codec in CODECS}
