"""A WebSocket over a gevent socket, with websockets' Sans-I/O protocol.

Rules: reading never blocks, since the caller waits for readiness (`watch`); sending blocks the calling greenlet alone,
for a bounded time. As in the SDK, there are no pings and no compression: `touchline.transport` says why.
"""

import contextlib
import ssl
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

import gevent
import gevent.socket
from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from touchline.errors import ProtocolViolated
from touchline.transport import CLOSE_S_MAX, MESSAGE_BYTES_MAX, OPEN_S_MAX, connection_failed
from touchline_protocol.codecs import Codec
from touchline_protocol.codes import ABNORMAL

READ_BYTES = 65_536
"""What one read takes at most: a few hundred events."""
SEND_S_MAX = 10.0
"""How long the socket may take to accept our output, which is little."""
READABLE = 1
"""libev's flag."""


def connect_socket(
    url: SplitResult, *, receive_buffer_bytes: int | None, tls: ssl.SSLContext | None
) -> gevent.socket.socket:
    """A connected socket, with TLS for wss and https.

    ``receive_buffer_bytes`` is SO_RCVBUF, which only counts if it is set before the connection is made.

    Raises:
        OSError: there is no connection.
    """
    secure = url.scheme in ("wss", "https")
    port = url.port or (443 if secure else 80)
    family, kind, number, _, address = gevent.socket.getaddrinfo(url.hostname, port, type=gevent.socket.SOCK_STREAM)[0]
    sock = gevent.socket.socket(family, kind, number)
    try:
        sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        if receive_buffer_bytes is not None:
            sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_RCVBUF, receive_buffer_bytes)
        sock.connect(address)
        if secure:
            context = tls if tls is not None else ssl.create_default_context()
            sock = context.wrap_socket(sock, server_hostname=url.hostname)
    except BaseException:
        sock.close()
        raise
    return sock


class WebSocket:
    """An open WebSocket; `open_websocket` makes one."""

    def __init__(self, sock: gevent.socket.socket, protocol: ClientProtocol) -> None:
        sock.settimeout(0.0)
        self._socket = sock
        self._protocol = protocol
        self._fragments: list[bytes] = []
        self._watcher = gevent.get_hub().loop.io(sock.fileno(), READABLE)

    @property
    def close_code(self) -> int | None:
        """The code of the side that closed first; 1006 if the connection was just gone, None while it is open."""
        protocol = self._protocol
        if protocol.close_rcvd is not None and protocol.close_rcvd_then_sent is not False:
            return protocol.close_rcvd.code
        if protocol.close_sent is not None:
            return protocol.close_sent.code
        return ABNORMAL.code if protocol.state is State.CLOSED else None

    @property
    def close_reason(self) -> str:
        """The reason that the server gave."""
        return "" if self._protocol.close_rcvd is None else self._protocol.close_rcvd.reason

    def watch(self, on_readable: Callable[[], object]) -> None:
        """Call ``on_readable`` in the hub whenever there is something to read, until `unwatch`."""
        self._watcher.start(on_readable)

    def unwatch(self) -> None:
        """Stop reading."""
        self._watcher.stop()

    def read(self) -> list[bytes]:
        """The payloads that have arrived, without waiting. After that, ``close_code`` says whether it was closed."""
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return []
        except OSError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        return self.take_payloads()

    def take_payloads(self) -> list[bytes]:
        """What was parsed already."""
        payloads = [
            payload
            for frame in self._protocol.events_received()
            if isinstance(frame, Frame) and (payload := self._payload(frame)) is not None
        ]
        with contextlib.suppress(OSError):  # the next read says why
            self._flush()
        return payloads

    def send(self, payload: bytes, *, text: bool) -> None:
        """Send one message.

        Raises:
            OSError: the connection is lost, or accepts nothing.
        """
        if self._protocol.state is not State.OPEN:
            return  # the reader sees why
        if text:
            self._protocol.send_text(payload)
        else:
            self._protocol.send_binary(payload)
        self._flush()

    def close(self) -> None:
        """Close cleanly: say so, and wait a moment for the server's close, so that it need not guess."""
        try:
            with gevent.Timeout(CLOSE_S_MAX, TimeoutError):
                if self._protocol.state is State.OPEN:
                    self._protocol.send_close(1000)
                    self._flush()
                self._socket.settimeout(CLOSE_S_MAX)
                while self._socket.recv(READ_BYTES):
                    pass
        except OSError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop the connection, as a network that is gone does. The second call does nothing."""
        self._watcher.stop()
        self._watcher.close()
        self._socket.close()

    def _payload(self, frame: Frame) -> bytes | None:
        """The message that this frame completes. Control frames were handled by the protocol."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        if frame.fin and not self._fragments:
            return bytes(frame.data)
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return None
        fragments, self._fragments = self._fragments, []
        return b"".join(fragments)

    def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())  # an empty one stands for our end of the stream
        while data:
            try:
                data = data[self._socket.send(data) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                gevent.socket.wait_write(self._socket.fileno(), SEND_S_MAX)


def open_websocket(
    url: str, codec: Codec, *, receive_buffer_bytes: int | None = None, tls: ssl.SSLContext | None = None
) -> WebSocket:
    """Open a WebSocket that speaks ``codec``.

    Raises:
        Unreachable: it may work later.
        ConnectionFailed: it would fail again.
    """
    try:
        protocol = ClientProtocol(
            parse_uri(url), subprotocols=[Subprotocol(codec.subprotocol)], max_size=MESSAGE_BYTES_MAX
        )
        with gevent.Timeout(OPEN_S_MAX, TimeoutError(f"no WebSocket within {OPEN_S_MAX:g} s")):
            sock = connect_socket(urlsplit(url), receive_buffer_bytes=receive_buffer_bytes, tls=tls)
            try:
                _shake_hands(sock, protocol)
            except BaseException:
                sock.close()
                raise
    except (OSError, WebSocketException) as error:
        raise connection_failed(url, error) from error
    if protocol.subprotocol is None:
        sock.close()
        raise ProtocolViolated(
            f"{url} is a WebSocket, but not a Touchline server: it does not know {codec.subprotocol}"
        )
    return WebSocket(sock, protocol)


def _shake_hands(sock: gevent.socket.socket, protocol: ClientProtocol) -> None:
    protocol.send_request(protocol.connect())
    sock.sendall(b"".join(protocol.data_to_send()))
    while protocol.state is State.CONNECTING:
        data = sock.recv(READ_BYTES)
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        if protocol.handshake_exc is not None:
            raise protocol.handshake_exc
