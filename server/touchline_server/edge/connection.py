"""One client's connection: bytes in, bytes out.

websockets' Sans-I/O `ServerProtocol` does the handshake and parses frames; events go out as ready frames, straight to
the transport, past it. That is allowed as long as its state is OPEN, since a server's frames are not masked and carry
no sequence, and the codec is the one of the extension that was negotiated.

    NEW ──► OPENING ──► WEBSOCKET     `_opening` has the request until it is answered, `_protocol` parses frames
                └─────► STREAM        server-sent events: neither is there, and what the client sends is ignored

Rules:

1. A connection has no task and no queue. If a client cannot be written to now, it becomes a cursor in the core.
2. A client that does not read is not read from either: answers to what it sends would pile up.
3. After a close frame nothing is written. The socket is then closed for writing, what still arrives is thrown away, and
   the core has it cut if the peer does not end it.
"""

import asyncio
import http
from typing import cast

import structlog
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.frames import OP_BINARY
from touchline_protocol.messages import RoomRequest
from touchline_protocol.server_codecs import EVENT_STREAM
from touchline_server.core.client import Client
from touchline_server.core.players.grants import Grant, TokenRefused
from touchline_server.web.policy import HOST_REFUSED, ORIGIN_REFUSED

from . import event_stream, handshake
from .context import Context
from .driver import Peer

logger = structlog.get_logger("touchline.edge")

_STATUS = {
    codes.UNKNOWN_FEED: http.HTTPStatus.NOT_FOUND,
    codes.UNAVAILABLE: http.HTTPStatus.SERVICE_UNAVAILABLE,
    codes.FORBIDDEN: http.HTTPStatus.FORBIDDEN,
}
"""How a stream is refused; everything else is a bad request."""


class Connection(asyncio.Protocol):
    """A client's connection, from the accepted socket to its end."""

    __slots__ = ("_client", "_context", "_ended", "_fragments", "_opening", "_paused", "_protocol", "transport")

    transport: asyncio.Transport

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client: Client[Peer] | None = None
        self._ended = False
        self._paused = False
        self._fragments: bytearray | None = None
        self._opening: handshake.Opening | None = None
        self._protocol: ServerProtocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self.transport = cast(asyncio.Transport, transport)
        # What the kernel does not take makes the client a cursor at once. Not a limit in bytes: uvloop keeps 800 bytes
        # for each write that waits, however short, so 64 KiB of small events would be a quarter of a megabyte.
        self.transport.set_write_buffer_limits(high=0)
        if not self._context.core.accepted(self, self._context.now()):
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self._opening is not None:
            self._open(self._opening, data)
        elif self._protocol is not None:
            self._protocol.receive_data(data)
            self._serve(self._protocol)
        elif self._client is None and not self._ended:
            # Made with the first bytes: those of thousands that connect at once would be out of the caches until then.
            self._opening = handshake.Opening(self._context.settings)
            self._protocol = self._opening.protocol
            self._open(self._opening, data)

    def eof_received(self) -> bool:
        """The client sends nothing more."""
        if self._protocol is not None:
            self._protocol.receive_eof()
            self._serve(self._protocol)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._leave()
        self._context.lost(self)
        if self._protocol is not None:
            handshake.break_cycles(self._protocol)

    def pause_writing(self) -> None:
        """The client takes no more: it becomes a cursor."""
        self._paused = True
        self.transport.pause_reading()
        if self._client is not None:
            self._context.core.paused(self._client, self._context.now())

    def resume_writing(self) -> None:
        """The client takes again, and catches up."""
        self._paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
        if self._client is not None:
            self._context.core.resumed(self._client)
            self._context.wake()

    def close(self, code: codes.CloseCode, reason: str = "") -> None:
        """Close with a code; what was written before still goes out."""
        is_stream = self._client is not None and self._protocol is None
        self._leave()
        if self._protocol is not None:
            self._protocol.fail(code.code, reason or code.name)
            self._write_out(self._protocol)
        elif not self._ended:
            if is_stream:
                self.transport.write(event_stream.farewell(code))
            self._end()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    def _open(self, opening: handshake.Opening, data: bytes) -> None:
        """Take bytes of the request, and answer it once it is complete."""
        rest = opening.receive(data)
        for event in opening.protocol.events_received():
            if isinstance(event, Request):
                self._opening = None
                if event_stream.is_for_stream(event):
                    self._open_stream(opening.protocol, event)
                else:
                    self._open_websocket(opening, event, rest)
                return
        if not self._ended:
            self.transport.write(opening.error_response())
        self._write_out(opening.protocol)

    def _open_websocket(self, opening: handshake.Opening, request: Request, rest: bytes) -> None:
        refusal = handshake.refuse(request, self._context.policy, full=self._context.core.is_full)
        presented = None
        if refusal is not None:
            _log_page_refusal(request, refusal.code)
        try:
            presented = self._presented(request) if refusal is None else None
        except TokenRefused as refused:
            response = handshake.unauthorized(opening.protocol, refused)
        else:
            protocol = opening.protocol
            response = protocol.accept(request) if refusal is None else handshake.rejection(protocol, refusal)
        self._respond(opening.protocol, request, response)
        if opening.protocol.state is OPEN:
            opening.forget_request()
            self._begin(handshake.codec_of(opening.protocol), presented)
            if rest:
                self.data_received(rest)

    def _open_stream(self, protocol: ServerProtocol, request: Request) -> None:
        policy, random = self._context.policy, self._context.random
        if request.method == "OPTIONS":
            self._respond(protocol, request, event_stream.preflight(request, policy))
            return
        try:
            wanted = event_stream.read(request, policy, full=self._context.core.is_full)
            self._watch(wanted, self._presented(request))
        except TokenRefused as refused:
            self._respond(protocol, request, event_stream.unauthorized(request, refused, policy, random))
            return
        except event_stream.Refused as refused:
            _log_page_refusal(request, refused.code)
            self._respond(protocol, request, event_stream.refusal(request, refused, policy, random))
            return
        self._protocol = None
        handshake.break_cycles(protocol)
        self.transport.write(event_stream.head(request, policy, random))
        self._context.wake()

    def _respond(self, protocol: ServerProtocol, request: Request, response: Response) -> None:
        if request.method == "HEAD":
            response.body = b""
        protocol.send_response(response)
        self._write_out(protocol)

    def _presented(self, request: Request) -> Grant | None:
        """What the request's token grants; a server without keys leaves a token to the proxy that it may be for."""
        access = self._context.core.access
        token = None if access.verify is None else handshake.bearer(request.headers)
        return None if token is None else access.admit(token, self._context.now().unix_ms)

    def _watch(self, request: RoomRequest, presented: Grant | None) -> None:
        client = self._begin(EVENT_STREAM, presented)
        try:
            refusal = self._context.core.watch(client, request, self._context.now())
        except TokenRefused:
            self._leave()
            raise
        if refusal is not None:
            self._leave()
            raise event_stream.Refused(
                _STATUS.get(refusal[0], http.HTTPStatus.BAD_REQUEST), refusal[0].code, refusal[1]
            )

    def _begin(self, codec: Codec, presented: Grant | None) -> Client[Peer]:
        client = self._client = self._context.core.opened(self, codec, self.transport.write, presented)
        if self._paused:
            self._context.core.paused(client, self._context.now())
        return client

    def _serve(self, protocol: ServerProtocol) -> None:
        # Messages sent before a close, an error or the end are answered first: websockets' answer to those is in its
        # output, which is written last.
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._write_out(protocol)
        if self._ended or protocol.state is not OPEN:
            self._leave()

    def _take(self, frame: Frame) -> None:
        """Put fragments together; data frames of the codec's kind are messages."""
        client = self._client
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT) or client is None:
            return
        wrong = OP_BINARY if client.codec.opcode != OP_BINARY else Opcode.TEXT
        if frame.opcode == wrong:
            self.close(codes.WRONG_FRAME, f"the subprotocol is {client.codec.subprotocol}")
            return
        if frame.fin and self._fragments is None:
            self._receive(client, bytes(frame.data))
            return
        # Not a list: websockets bounds the bytes of a message, and not how many fragments, empty ones too, it has.
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += frame.data
        if frame.fin:
            payload, self._fragments = bytes(self._fragments), None
            self._receive(client, payload)

    def _receive(self, client: Client[Peer], payload: bytes) -> None:
        if client.codec.opcode != OP_BINARY:
            try:
                payload.decode()
            except UnicodeDecodeError:
                self.close(codes.INVALID_TEXT)
                return
        self._context.perform(self._context.core.received(client, payload, self._context.now()))

    def _leave(self) -> None:
        if self._client is not None:
            self._context.core.left(self._client, self._context.now())
            self._client = None

    def _write_out(self, protocol: ServerProtocol) -> None:
        """Write what websockets has to write: responses, pongs, close frames, and the end of the stream."""
        for data in protocol.data_to_send():
            if self._ended:
                return
            if data:
                self.transport.write(data)
            else:
                self._end()

    def _end(self) -> None:
        """Nothing more is written, not by a room either."""
        self._ended = True
        self._leave()
        if not self.transport.is_closing():
            try:
                self.transport.write_eof()
            except OSError:  # the peer is gone, which asyncio's own loop finds out here; uvloop tells `connection_lost`
                self.transport.abort()
        self._context.core.ending(self, self._context.now())


def _log_page_refusal(request: Request, code: str) -> None:
    """An operator sees only here why pages cannot connect: browsers tell a page nothing about it."""
    if code in (HOST_REFUSED, ORIGIN_REFUSED):
        shown = {name: ", ".join(request.headers.get_all(name)) for name in ("Origin", "Host")}
        logger.warning("page_refused", code=code, origin=shown["Origin"], host=shown["Host"])
