"""One client's connection: bytes in, bytes out.

websockets' Sans-I/O `ServerProtocol` does the handshake and parses frames; events go out as ready frames, straight to
the transport, past it. That is allowed as long as its state is OPEN, since a server's frames are not masked and carry
no sequence, and the codec is the one of the extension that was negotiated.

    NEW ──► OPENING ──► WEBSOCKET     `_opening` has the request until it is answered, `_protocol` parses frames
                └─────► STREAM        server-sent events: neither is there, and what the client sends is passed over

Rules:

1. No task and no queue per connection. What cannot be written now is a cursor in the session, not bytes.
2. A client that does not read is not read from either: answers to what it sends would pile up.
3. After a close frame nothing is written. The socket is then closed for writing, what still arrives is thrown away, and
   after `LINGER_S` it is cut: closing at once could reset the connection before the peer has read why.
"""

import asyncio
import http
from typing import TYPE_CHECKING, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.frames import OP_BINARY
from touchline_protocol.messages import RoomRequest
from touchline_protocol.server_codecs import EVENT_STREAM
from touchline_server.core.client import Session
from touchline_server.core.grants import Grant, TokenRefused
from touchline_server.core.subscription import Step, Subscription

from . import event_stream, handshake

if TYPE_CHECKING:
    from .server import Edge

LINGER_S = 3.0
"""Between our close frame and the end of the connection: a round trip to a phone on a bad link."""

_STATUS = {
    codes.UNKNOWN_FEED: http.HTTPStatus.NOT_FOUND,
    codes.UNAVAILABLE: http.HTTPStatus.SERVICE_UNAVAILABLE,
    codes.FORBIDDEN: http.HTTPStatus.FORBIDDEN,
}
"""How a stream is refused; all else is a bad request."""


class Connection(asyncio.Protocol):
    """A client's connection, from the accepted socket to its end."""

    __slots__ = (
        "_ended",
        "_fragments",
        "_opening",
        "_protocol",
        "edge",
        "paused_ms",
        "queued",
        "session",
        "spoke_ms",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, edge: "Edge") -> None:
        self.edge = edge
        self.session: Session | None = None
        self.queued = False
        self.spoke_ms = 0
        self.paused_ms: int | None = None
        self._ended = False
        self._fragments: bytearray | None = None
        self._opening: handshake.Opening | None = None
        self._protocol: ServerProtocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self.transport = cast(asyncio.Transport, transport)
        # What the kernel does not take makes the client a cursor at once. Not a limit in bytes: uvloop keeps 800 bytes
        # for each write that waits, however short, so 64 KiB of small events would be a quarter of a megabyte.
        self.transport.set_write_buffer_limits(high=0)
        self.edge.add(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client's."""
        if self._opening is not None:
            self._open(self._opening, data)
        elif self._protocol is not None:
            self._protocol.receive_data(data)
            self._serve(self._protocol)
        elif self.session is None and not self._ended:
            # Made with the first bytes: those of thousands that connect at once would be out of the caches until then.
            self._opening = handshake.Opening(self.edge.settings)
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
        self.edge.remove(self)
        if self._protocol is not None:
            handshake.let_go(self._protocol)

    def pause_writing(self) -> None:
        """The client takes no more: it becomes a cursor."""
        self.paused_ms = self.edge.now_ms()
        self.transport.pause_reading()
        if self.session is not None:
            self.session.pause(self.paused_ms)

    def resume_writing(self) -> None:
        """The client takes again, and catches up."""
        self.paused_ms = None
        if not self.transport.is_closing():
            self.transport.resume_reading()
        if self.session is not None:
            self.session.resume()
            self.edge.turns.catch_up(self)

    def say(self, data: bytes) -> None:
        """Write frames outside of a flush; none are no word to the client, who may be due a beat."""
        if not data or self._ended:
            return
        self.spoke_ms = self.edge.now_ms()
        self.transport.write(data)

    def stepped(self, subscription: Subscription, step: Step) -> None:
        """Write what a step of a catch-up brings, and go on as it says."""
        self.say(step.data)
        subscription.session.stepped(subscription, step)
        if subscription.session.closing is not None:
            self.close(subscription.session.closing)

    def answer(self) -> None:
        """Write what the session answers, and close if it says so."""
        session = self.session
        if session is None:
            return
        self.say(session.take_output())
        if session.closing is not None:
            self.close(session.closing)
        elif self._protocol is None and not session.subscriptions:
            self.close(codes.GOING_AWAY)  # a stream is its one room: it comes back by itself

    def close(self, code: codes.CloseCode, reason: str = "") -> None:
        """Close with a code; what was written before still goes out."""
        if self._protocol is not None:
            self._leave()
            self._protocol.fail(code.code, reason or code.name)
            self._write_out(self._protocol)
        elif not self._ended:
            if self.session is not None:
                self.say(b": close %d %b\n\n" % (code.code, code.name.encode()))
            self._leave()
            self._end()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    def _open(self, opening: handshake.Opening, data: bytes) -> None:
        """Take bytes of the request, and answer it once it is whole."""
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
            self.transport.write(opening.complaint())
        self._write_out(opening.protocol)

    def _open_websocket(self, opening: handshake.Opening, request: Request, rest: bytes) -> None:
        refusal = handshake.refuse(request, self.edge.settings.origins, full=self.edge.is_full)
        shown = None
        try:
            shown = self._shown(request) if refusal is None else None
        except TokenRefused as refused:
            response = handshake.unauthorized(opening.protocol, refused)
        else:
            response = opening.protocol.accept(request) if refusal is None else opening.protocol.reject(*refusal)
        self._respond(opening.protocol, request, response)
        if opening.protocol.state is OPEN:
            opening.forget_request()
            self._begin(handshake.codec_of(opening.protocol), shown)
            if rest:
                self.data_received(rest)

    def _open_stream(self, protocol: ServerProtocol, request: Request) -> None:
        origins = self.edge.settings.origins
        if request.method == "OPTIONS":
            self._respond(protocol, request, event_stream.preflight(request, origins))
            return
        try:
            wanted = event_stream.read(request, origins, full=self.edge.is_full)
            self._watch(wanted, self._shown(request))
        except TokenRefused as refused:
            self._respond(protocol, request, event_stream.unauthorized(request, refused, origins, self.edge.random))
            return
        except event_stream.Refused as refused:
            self._respond(protocol, request, event_stream.refusal(request, refused, origins, self.edge.random))
            return
        self._protocol = None
        handshake.let_go(protocol)
        self.say(event_stream.head(request, origins, self.edge.random))
        self.edge.heard(self)
        self.edge.turns.catch_up(self)

    def _respond(self, protocol: ServerProtocol, request: Request, response: Response) -> None:
        if request.method == "HEAD":
            response.body = b""
        protocol.send_response(response)
        self._write_out(protocol)

    def _shown(self, request: Request) -> Grant | None:
        """What the request's token grants; a server that knows no keys leaves one to the proxy that it may be for."""
        door = self.edge.door
        token = None if door.verify is None else handshake.bearer(request.headers)
        return None if token is None else door.admit(token, self.edge.wall_ms())

    def _watch(self, request: RoomRequest, shown: Grant | None) -> None:
        session = self._begin(EVENT_STREAM, shown)
        try:
            refusal = session.watch(request, now_ms=self.edge.wall_ms())
        except TokenRefused:
            self._leave()
            raise
        if refusal is not None:
            self._leave()
            raise event_stream.Refused(
                _STATUS.get(refusal[0], http.HTTPStatus.BAD_REQUEST), refusal[0].code, refusal[1]
            )

    def _begin(self, codec: Codec, shown: Grant | None) -> Session:
        edge = self.edge
        self.session = Session(
            edge.hub, edge.door, codec, edge.limits, self.transport.write, self, edge.session_name(), shown
        )
        return self.session

    def _serve(self, protocol: ServerProtocol) -> None:
        # What was sent before a close, a mistake or the end is answered: those are in what websockets has to say, which
        # is written last.
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._write_out(protocol)
        if self._ended or protocol.state is not OPEN:
            self._leave()

    def _take(self, frame: Frame) -> None:
        """Put fragments together; data frames of the codec's kind are messages."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT) or self.session is None:
            return
        wrong = OP_BINARY if self.session.codec.opcode != OP_BINARY else Opcode.TEXT
        if frame.opcode == wrong:
            self.close(codes.WRONG_FRAME, f"the subprotocol is {self.session.codec.subprotocol}")
            return
        if frame.fin and self._fragments is None:
            self._receive(self.session, bytes(frame.data))
            return
        # Not a list: websockets bounds the bytes of a message, and not how many fragments, empty ones too, it has.
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += frame.data
        if frame.fin:
            payload, self._fragments = bytes(self._fragments), None
            self._receive(self.session, payload)

    def _receive(self, session: Session, payload: bytes) -> None:
        if session.codec.opcode != OP_BINARY:
            try:
                payload.decode()
            except UnicodeDecodeError:
                self.close(codes.INVALID_TEXT)
                return
        edge = self.edge
        session.receive(payload, now_ms=edge.wall_ms())
        edge.heard(self)
        self.answer()
        edge.turns.catch_up(self)
        edge.received()

    def _leave(self) -> None:
        if self.session is not None:
            self.session.close(self.edge.wall_ms())
            self.session = None

    def _write_out(self, protocol: ServerProtocol) -> None:
        """Write what websockets has to say: responses, pongs, close frames, and the end of the stream."""
        for data in protocol.data_to_send():
            if self._ended:
                return
            if data:
                self.transport.write(data)
            else:
                self._end()

    def _end(self) -> None:
        """Nothing more is written."""
        self._ended = True
        if not self.transport.is_closing():
            self.transport.write_eof()
        self.edge.closing(self)
