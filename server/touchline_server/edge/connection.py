"""One client's connection: bytes in, bytes out.

websockets' Sans-I/O `ServerProtocol` does the handshake and parses frames; events go out as ready frames, straight to
the transport, past it. That is allowed as long as its state is OPEN, since a server's frames are not masked and carry
no sequence, and the codec is the one of the extension that was negotiated.

    NEW ──► OPENING ──► WEBSOCKET     `_opening` has the request until it is answered, `_protocol` parses frames
                └─────► STREAM        server-sent events: neither is there, and what the client sends is thrown away

Rules:

1. A connection has no task and no queue. If a client cannot be written to now, it becomes a cursor in the core.
2. A client that does not read is not read from either: answers to what it sends would pile up.
3. Whatever a client sends, be it thrown away, waits in `_input` until the core allows it to be served, one frame at a
   time. While something waits there, nothing more is read. The end of what it sends waits behind it.
4. After a close frame nothing is written. The socket is then closed for writing, what still arrives is thrown away, and
   the core has it cut if the peer does not end it.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_server.core.clients.client import Client
from touchline_server.core.counters.edge import BY_SERVER
from touchline_server.core.effects import Notice
from touchline_server.core.input_scheduler import FRAME_WORK, OPENING_WORK, PROMPT_PIECES, UNIT_BYTES
from touchline_server.core.players.grants import Grant
from touchline_server.web.addresses import Endpoint, parse_address
from touchline_server.web.proxy_protocol import Fault

from . import client_log
from .context import Context, RecentEnd
from .driver import Peer
from .input_buffer import InputBuffer
from .kernel import error_name, last_ack_ms
from .message_buffer import BadMessage, MessageBuffer
from .requests import event_stream, handshake
from .requests.opening import Opening, break_cycles


class Connection(asyncio.Protocol):
    """A client's connection, from the accepted socket to its end."""

    __slots__ = (
        "_client",
        "_context",
        "_ended",
        "_endpoint",
        "_has_eof",
        "_input",
        "_is_open",
        "_is_waiting",
        "_messages",
        "_opening",
        "_paused",
        "_player",
        "_protocol",
        "_step",
        "number",
        "speaks_for_itself",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, context: Context) -> None:
        self._context = context
        self.number = context.next_number()
        self._client: Client[Peer] | None = None
        self._player: str | None = None
        """The player of the client that has left, for the report of the end."""
        self._endpoint: Endpoint | None = None
        self.speaks_for_itself = False
        self._ended = False
        self._paused = False
        self._has_eof = False
        self._is_open = False
        self._is_waiting = False
        self._step: Callable[[], None] | None = None
        self._input = InputBuffer()
        self._messages = MessageBuffer()
        self._opening: Opening | None = None
        self._protocol: ServerProtocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self.transport = cast(asyncio.Transport, transport)
        # What the kernel does not take makes the client a cursor at once. Not a limit in bytes: uvloop keeps 800 bytes
        # for each write that waits, however short, so 64 KiB of small events would be a quarter of a megabyte.
        self.transport.set_write_buffer_limits(high=0)
        self._context.entrance.arrive(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._input.add(data)
        if not self._is_waiting:
            self.serve_input()

    def eof_received(self) -> bool:
        """The client sends nothing more. Returns whether it is still to be answered."""
        self._has_eof = True
        if not self._is_waiting:
            self.serve_input()
        return self._is_waiting or self._paused

    def serve_input(self) -> None:
        """Serve what the client has sent, as far as the core allows."""
        turns = self._context.core.input
        self._is_waiting = has_served = False
        while self._input and not self._paused:
            if not turns.may_serve(self):
                self._is_waiting = True
                self.transport.pause_reading()
                turns.wait(self)
                self._context.wake()
                return
            turns.spend(self, self._serve_some())
            has_served = True
        if self._paused:
            return
        if self._has_eof:
            self._serve_eof()
        elif has_served and self._opening is not None and self._opening.pieces >= PROMPT_PIECES:
            self.wait_for_rest()
        else:
            self.transport.resume_reading()

    def wait_for_rest(self) -> None:
        """What begins the connection comes in pieces: read the next one when the turn for that comes."""
        self._is_waiting = True
        self.transport.pause_reading()
        self._context.core.input.wait_for_rest(self)
        self._context.wake()

    def serve_turn(self) -> None:
        """Its turn has come: serve what has waited."""
        step, self._step = self._step, None
        try:
            if step is None:
                self.serve_input()
            else:
                self.transport.resume_reading()
                step()
        except Exception as error:  # noqa: BLE001 - as the loop does it after `data_received`: it costs this client only
            context = {"message": "a client's input could not be served", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            self.abort()

    def may_take_turn(self, step: Callable[[], None]) -> bool:
        """Whether work for this connection may be done now. If not, ``step`` is called when its turn comes."""
        turns = self._context.core.input
        if turns.may_serve(self):
            return True
        if self._step is None:
            self._step = step
            self.transport.pause_reading()
            turns.wait(self)
            self._context.wake()
        return False

    def spend(self, units: int) -> None:
        """Work was done for this connection."""
        self._context.core.input.spend(self, units)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._is_open:
            self._log_gone(None if exc is None else error_name(exc))
        self._leave()
        self._context.lost(self)
        if self._protocol is not None:
            break_cycles(self._protocol)

    def pause_writing(self) -> None:
        """The client takes no more: it becomes a cursor."""
        self._paused = True
        self.transport.pause_reading()
        if self._client is not None:
            self._context.core.paused(self._client, self._context.now())

    def resume_writing(self) -> None:
        """The client takes again, and catches up."""
        self._paused = False
        if self._client is not None:
            self._context.core.resumed(self._client)
            self._context.wake()
        if not self._is_waiting:
            self.serve_input()

    def close(self, code: codes.CloseCode, reason: str = "") -> None:
        """Close with a code; what was written before still goes out."""
        if not self._ended:
            client_log.closed(self.number, code)
            self._count_end(BY_SERVER, code.name)
        self._is_open = False
        is_stream = self._client is not None and self._protocol is None
        self._leave()
        if self._protocol is not None:
            self._protocol.fail(code.code, reason or code.name)
            self.write_out(self._protocol)
        elif not self._ended:
            if is_stream:
                self.transport.write(event_stream.farewell(code))
            self._end()

    def abort(self, why: str = "") -> None:
        """Cut the connection; ``why`` is logged, if it was open."""
        if why and self._is_open:
            self._log_gone(why)
        self.transport.abort()

    def last_ack_ms(self) -> int | None:
        """How long ago the peer's kernel acknowledged something; None if it does not owe it."""
        return last_ack_ms(self.transport)

    def set_endpoint(self, endpoint: Endpoint | None) -> None:
        """A trusted proxy names the client; None if it speaks for itself."""
        if endpoint is not None:
            self._endpoint = endpoint

    @property
    def endpoint(self) -> Endpoint | None:
        """The client's address, as far as it is known: the other end of the socket, or the one that a proxy names."""
        if self._endpoint is None:
            peer = self.transport.get_extra_info("peername")
            if isinstance(peer, tuple):
                self._endpoint = Endpoint(parse_address(peer[0]), peer[1])
        return self._endpoint

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is written."""
        return self._ended

    def report(self, notice: Notice[Peer]) -> None:
        """Log what the client is told."""
        client_log.told(self.number, notice, self.address)

    def begin(self, codec: Codec, presented: Grant | None) -> Client[Peer]:
        """The handshake is done: become a client."""
        client = self._client = self._context.core.opened(self, codec, self.transport.write, presented)
        self._is_open = True
        if self._paused:
            self._context.core.paused(client, self._context.now())
        return client

    def turn_away(self) -> None:
        """The client that `begin` made is not let in after all."""
        self._is_open = False
        self._leave()

    def become_stream(self, head: bytes) -> None:
        """Write the head of an event stream, and go on without HTTP."""
        self._protocol = None
        self.transport.write(head)

    @property
    def address(self) -> str | None:
        """Its address and port, for the log."""
        endpoint = self.endpoint
        return None if endpoint is None else str(endpoint)

    def write_out(self, protocol: ServerProtocol) -> None:
        """Write what websockets has to write: responses, pongs, close frames, and the end of the stream."""
        for data in protocol.data_to_send():
            if self._ended:
                return
            if data:
                self.transport.write(data)
            else:
                self._end()

    def _log_gone(self, error: str | None) -> None:
        self._is_open = False
        client_log.gone(self.number, self._protocol, error)
        self._count_end(*client_log.ending_of(self._protocol, error))

    def _count_end(self, by: str, code: str) -> None:
        player = self._player if self._client is None else self._client.player
        end = RecentEnd(self._context.now().unix_ms, self.number, by, code, player, self.address)
        self._context.ended(end)

    def count_refusal(self, reason: str) -> None:
        """It is refused at the door."""
        self._context.core.counters.connections.refused[reason] += 1

    def _serve_some(self) -> int:
        """Serve a frame, or bytes of the opening request; returns the work in units."""
        protocol = self._protocol
        is_stream = protocol is None and self._client is not None
        if self._ended or is_stream:
            return FRAME_WORK + len(self._input.take_all()) // UNIT_BYTES
        if protocol is None or self._opening is not None:
            if self._opening is None:
                self._opening = self._context.entrance.opening()
            data = self._input.take_all()
            self._open(self._opening, data)
            return OPENING_WORK if self._opening is None else FRAME_WORK + len(data) // UNIT_BYTES
        data = self._input.take_frame()
        protocol.receive_data(data)
        return FRAME_WORK + max(len(data), self._serve(protocol)) // UNIT_BYTES

    def _serve_eof(self) -> None:
        if self._protocol is not None and not self._ended:
            self._protocol.receive_eof()
            self._serve(self._protocol)
        self.transport.close()

    def _open(self, opening: Opening, data: bytes) -> None:
        """Take bytes of the request, and answer it once it is complete. Bytes after its end go back to `_input`."""
        if opening.is_tls(data):
            client_log.tls_refused(self.number, self.address)
            self.count_refusal("tls_refused")
            self._end()
            return
        if opening.is_proxy_header(data):
            client_log.proxy_header_refused(self.number, Fault.UNEXPECTED, self.address)
            self.count_refusal(Fault.UNEXPECTED.value)
            self._end()
            return
        self._input.add(opening.receive(data))
        protocol = self._protocol = opening.protocol
        if protocol is None:
            return
        for event in protocol.events_received():
            if isinstance(event, Request):
                self._opening = None
                self._context.entrance.answer(self, protocol, event)
                return
        if not self._ended:
            self.transport.write(opening.error_response())
            if protocol.rejected is not None:
                client_log.handshake_refused(self.number, protocol.rejected, "", self.address)
                self.count_refusal(handshake.reason_of(protocol.rejected, ""))
        self.write_out(protocol)

    def _serve(self, protocol: ServerProtocol) -> int:
        """Serve what was parsed: a frame, its error, or the end. Returns how many bytes of payload there were."""
        size_bytes = 0
        # A message before a close, an error or the end is answered first: websockets' answer to those is in its output,
        # which is written last.
        for event in protocol.events_received():
            if isinstance(event, Frame):
                size_bytes += len(event.data)  # compressed ones were shorter on the wire
                self._take(event)
        self.write_out(protocol)
        if self._ended or protocol.state is not OPEN:
            self._leave()
        return size_bytes

    def _take(self, frame: Frame) -> None:
        """Data frames make messages; websockets answers the others."""
        client = self._client
        if client is None or frame.opcode is Opcode.CLOSE:
            return
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            self._context.perform(self._context.core.control_frame_received(client, self._context.now()))
            return
        try:
            payload = self._messages.add(frame, client.codec, client.limits.message_bytes_max)
        except BadMessage as error:
            self.close(error.code, error.reason)
            return
        if payload is not None:
            self._context.perform(self._context.core.received(client, payload, self._context.now()))

    def _leave(self) -> None:
        if self._client is not None:
            self._player = self._client.player
            self._context.core.left(self._client, self._context.now())
            self._client = None

    def _end(self) -> None:
        """Nothing more is written, not by a room either."""
        self._ended = True
        self._input.take_all()
        self._messages.clear()
        self._leave()
        if not self.transport.is_closing():
            try:
                self.transport.write_eof()
                if not self._paused:
                    self.transport.resume_reading()  # what still comes is thrown away, and the peer's end noticed
            except OSError:  # the peer is gone, which asyncio's own loop finds out here; uvloop tells `connection_lost`
                self.transport.abort()
        self._context.core.ending(self, self._context.now())
