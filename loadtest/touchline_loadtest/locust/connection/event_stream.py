"""One room as server-sent events over a gevent socket, as a browser's EventSource reads it.

The response has no length and no chunks: its body ends with the connection, so HTTP needs no more than its head.
"""

import contextlib
from urllib.parse import quote, urlsplit

import gevent
import gevent.socket

from touchline.errors import ConnectionFailed, ConnectionRefused, ProtocolViolated, Unreachable
from touchline.transport import OPEN_S_MAX
from touchline_protocol.messages import Deliver

from .event_source import Block, EventSourceParser
from .websocket import READ_BYTES, connect_socket

SILENCE_S_MAX = 60.0
"""A server sends a comment at least every heartbeat. One that is silent for that long is gone."""
STATUS_OK = 200
STATUS_SERVER_ERROR = 500


class EventStream:
    """An open stream. ``retry_ms`` is how long the server asks to wait before the next attempt."""

    def __init__(self, sock: gevent.socket.socket, parser: EventSourceParser, rest: bytes) -> None:
        self._socket = sock
        self._parser = parser
        self._rest = rest

    @property
    def retry_ms(self) -> int | None:
        """The newest ``retry`` of the stream; None without one."""
        return self._parser.retry_ms

    @property
    def close_code(self) -> int | None:
        """The close code that the server gave; None if it gave none."""
        return self._parser.close_code

    @property
    def last_event_id(self) -> str:
        """The cursor to come back with."""
        return self._parser.last_event_id

    def read(self) -> list[Block]:
        """Wait for more, and return the blocks that it completes.

        Raises:
            EOFError: the stream has ended.
            OSError: the connection is lost, or the server was silent for too long.
        """
        data, self._rest = self._rest, b""
        if not data:
            data = self._socket.recv(READ_BYTES)
        if not data:
            raise EOFError
        return self._parser.feed(data)

    def cut(self) -> None:
        """Lose the connection, also while another greenlet reads from it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(gevent.socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def open_event_stream(base: str, room: str, *, deliver: Deliver, last_event_id: str, token: str | None) -> EventStream:
    """Open the stream of ``room``; ``base`` is the address of the server, such as ``http://127.0.0.1:8080``.

    Raises:
        Unreachable: it may work later.
        ConnectionFailed: it would fail again.
    """
    url = urlsplit(base)
    target = f"/v1/rooms/{quote(room, safe='')}/events?deliver={deliver}"
    fields = {"Host": url.netloc, "Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_event_id:
        fields["Last-Event-ID"] = last_event_id
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    try:
        with gevent.Timeout(OPEN_S_MAX, TimeoutError(f"no answer within {OPEN_S_MAX:g} s")):
            sock = connect_socket(url, receive_buffer_bytes=None, tls=None)
            try:
                sock.sendall(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
                status, rest = _read_head(sock)
            except BaseException:
                sock.close()
                raise
    except OSError as error:
        raise Unreachable(f"{base} cannot be reached: {str(error) or type(error).__name__}") from error
    if status != STATUS_OK:
        sock.close()
        raise _refused(base, status)
    sock.settimeout(SILENCE_S_MAX)
    return EventStream(sock, EventSourceParser(last_event_id), rest)


def _read_head(sock: gevent.socket.socket) -> tuple[int, bytes]:
    """The status, and what arrived after the head."""
    data = b""
    while b"\r\n\r\n" not in data:
        some = sock.recv(READ_BYTES)
        if not some:
            raise ConnectionResetError("the server closed the connection before it answered")
        data += some
    head, _, rest = data.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1]
    if not status.isdigit():
        raise ProtocolViolated("the server did not answer with HTTP")
    return int(status), rest


def _refused(base: str, status: int) -> ConnectionFailed:
    text = f"{base} answered with HTTP {status}"
    return Unreachable(text) if status >= STATUS_SERVER_ERROR else ConnectionRefused(status, text)
