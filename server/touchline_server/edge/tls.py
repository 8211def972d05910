"""TLS between a connection and its socket.

It is the connection's transport and the socket's protocol. asyncio's own TLS would accept a connection only after its
handshake, so nobody would count those that never end it; it takes bytes for a client that does not read, up to 512 KiB,
before it says so; and it cannot close one direction. Here:

1. The connection exists from the accepted socket on: limits and deadlines count the handshake too.
2. A write is encrypted and handed to the socket at once. Bytes that the kernel does not take pause the client, as
   without TLS: there is no buffer in between.
3. `write_eof` sends ``close_notify`` and closes the socket for writing. Reading goes on.
4. All connections of a listener share two buffers of OpenSSL, which never shrink: one for each would keep the size of
   the largest write. They are filled, used and emptied without a callback in between, so that nothing of one connection
   is ever there when another uses them.
5. Handshakes take turns with other input: a signature takes as long as dozens of messages.
"""

import asyncio
import contextlib
import ssl
from typing import Any, cast

from touchline_kafka.access.pem import missing_part
from touchline_protocol.errors import OperatorError
from touchline_server.config.listener.tls import TlsSettings
from touchline_server.core.input_scheduler import PROMPT_PIECES
from touchline_server.web.proxy_protocol import Fault, is_header

from . import client_log
from .connection import Connection

HANDSHAKE_WORK = 32
"""Units of `core.input_scheduler` for a step of a handshake that is answered: an RSA signature of 2048 bits takes 0.7
ms, an elliptic one 0.1 ms."""

READ_BYTES = 64 * 1024
"""Bytes that are decrypted at once. A TLS record has 16 KiB at most."""

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_PLAIN_HTTP = "HTTP_REQUEST"
"""OpenSSL's reason for a client that speaks HTTP to a port with TLS."""
_ADVICE = b"This port has TLS: use wss:// or https://.\n"
_PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_ADVICE), _ADVICE)
)


class Tls:
    """The TLS of a listener: its context, and the buffers that its connections share (rule 4)."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()

    def empty(self) -> None:
        """See to it that nothing is left in the buffers, whatever failed before."""
        self.incoming.read()
        self.outgoing.read()


def make_tls(settings: TlsSettings) -> Tls | None:
    """The TLS of a listener; None if it has none.

    Raises:
        OperatorError: the certificate or its key cannot be used.
    """
    if settings.cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.minimum_version]
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    files = f"tls.cert_file {settings.cert_file}" + (f", tls.key_file {settings.key_file}" if settings.key_file else "")
    try:
        # Without a password, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file, lambda: settings.key_password or "")
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        reason = missing_part(settings.cert_file, settings.key_file) or reason
        raise OperatorError(f"{files}: the certificate and its key cannot be used: {reason}") from None
    except OSError as error:
        raise OperatorError(f"{files}: cannot be read: {error.strerror}") from None
    return Tls(context)


class TlsLayer(asyncio.Transport, asyncio.Protocol):
    """The TLS of one connection."""

    __slots__ = ("_buffers", "_connection", "_has_closed", "_is_open", "_pieces", "_raw", "_received", "_tls")

    _raw: asyncio.Transport

    def __init__(self, tls: Tls, connection: Connection) -> None:
        super().__init__()
        self._buffers = tls
        self._tls = tls.context.wrap_bio(tls.incoming, tls.outgoing, server_side=True)
        self._received = b""  # not decrypted yet
        self._connection: Connection | None = connection
        self._pieces = 0  # of what the client has to send next for the handshake
        self._is_open = False
        self._has_closed = False

    # The socket's protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection begins, before its handshake."""
        self._raw = cast(asyncio.Transport, transport)
        if self._connection is not None:
            self._connection.connection_made(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        self._received += data
        if self._is_open:
            self._read()
        elif is_header(self._received):
            self._refuse_proxy_header()
        else:
            self._shake_hands()

    def eof_received(self) -> bool:
        """The client sends nothing more."""
        return self._connection is not None and self._connection.eof_received()

    def pause_writing(self) -> None:
        """The socket takes no more."""
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The socket takes again."""
        if self._connection is not None:
            self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. References between it and this are broken, see `opening.break_cycles`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.connection_lost(exc)

    # The connection's transport.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if self._is_open and not self._has_closed and not self._raw.is_closing():
            try:
                self._tls.write(data)
            except ssl.SSLError:
                self._buffers.empty()
                self.abort()
            else:
                self._raw.write(self._buffers.outgoing.read())

    def write_eof(self) -> None:
        """Send nothing more."""
        self._send_close_notify()
        self._raw.write_eof()

    def can_write_eof(self) -> bool:
        """Whether one direction can be closed."""
        return True

    def close(self) -> None:
        """Close once everything is sent."""
        self._send_close_notify()
        self._raw.close()

    def abort(self) -> None:
        """Close at once."""
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or being closed."""
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        """Read nothing from the socket."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Read from the socket again."""
        self._raw.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See the class of asyncio."""
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """How many encrypted bytes the socket has not taken yet."""
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the socket."""
        return self._raw.get_extra_info(name, default)

    def _shake_hands(self) -> None:
        """Take a step of the handshake, when it is this connection's turn."""
        connection = self._connection
        if connection is None or not connection.may_take_turn(self._shake_hands):
            return
        self._load()
        reason = ""
        try:
            self._tls.do_handshake()
            self._is_open = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            reason = error.reason or str(error)  # not the error itself: its traceback would make a cycle
        answer = self._unload()
        connection.spend(HANDSHAKE_WORK if answer else 1)
        if reason:
            self._fail(connection, reason, answer)
            return
        self._send(answer)
        self._pieces = 0 if answer else self._pieces + 1
        if not self._is_open and self._pieces >= PROMPT_PIECES:
            connection.wait_for_rest()
        if self._is_open and self._received:
            self._read()

    def _fail(self, connection: Connection, reason: str, alert: bytes) -> None:
        client_log.tls_failed(connection.number, reason, connection.address)
        connection.count_refusal("tls_failed")
        self._send(_PLAIN_ANSWER if reason == _PLAIN_HTTP else alert)
        self._raw.close()

    def _refuse_proxy_header(self) -> None:
        """Close: OpenSSL would call the header a wrong version of TLS, which says nothing to an operator."""
        connection = self._connection
        if connection is not None and not self._raw.is_closing():
            client_log.proxy_header_refused(connection.number, Fault.UNEXPECTED, connection.address)
            self._raw.close()

    def _read(self) -> None:
        """Hand on what can be decrypted."""
        self._load()
        chunks: list[bytes] = []
        is_broken = False
        try:
            while chunk := self._tls.read(READ_BYTES):
                chunks.append(chunk)
            has_ended = True  # close_notify
        except ssl.SSLWantReadError:
            has_ended = False
        except ssl.SSLError:
            is_broken = has_ended = True
        self._send(self._unload())  # answers of TLS itself, such as to a new key
        if chunks and self._connection is not None:
            self._connection.data_received(b"".join(chunks))
        if is_broken:
            self.abort()
        elif has_ended and self._connection is not None and not self._connection.eof_received():
            self.close()

    def _load(self) -> None:
        """Fill the shared buffers. Nothing may be called back until `_unload`."""
        self._buffers.empty()
        self._buffers.incoming.write(self._received)
        self._received = b""

    def _unload(self) -> bytes:
        """Empty the shared buffers; returns what has to be sent."""
        self._received = self._buffers.incoming.read()
        return self._buffers.outgoing.read()

    def _send(self, data: bytes) -> None:
        if data:
            self._raw.write(data)

    def _send_close_notify(self) -> None:
        if not self._is_open or self._has_closed or self._raw.is_closing():
            return
        self._has_closed = True
        with contextlib.suppress(ssl.SSLError):  # it would wait for the client's, which may never come
            self._tls.unwrap()
        self._send(self._buffers.outgoing.read())
