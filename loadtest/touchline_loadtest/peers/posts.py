"""Publishes over HTTP at little cost: requests are pipelined on one connection, and answered in their order.

A general HTTP client takes about a millisecond for a request. A peer that takes one event per request would then be
limited by its publisher.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence

from .peer import PeerFailed

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 2\d\d ")
HEAD_BYTES_MAX = 64 * 1024


class Posts:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self._reader = reader
        self._writer = writer
        self._port = port
        self._turn = asyncio.Lock()

    async def post(self, path: str, bodies: Sequence[bytes], content_type: str = "application/json") -> list[bytes]:
        """Send each body in a request of its own; returns the bodies of the responses.

        Raises:
            PeerFailed: the server refused one, or closed the connection.
        """
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: {content_type}\r\nContent-Length: "
        )
        async with self._turn:
            self._writer.writelines(b"%s%d\r\n\r\n%s" % (head.encode(), len(body), body) for body in bodies)
            try:
                return [await self._response() for _ in bodies]
            except (OSError, EOFError) as error:
                raise PeerFailed(f"an event could not be published: {error}") from error

    async def _response(self) -> bytes:
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await self._reader.readexactly(int(length[1])) if length else b""
        if not _STATUS.match(head) or length is None:
            raise PeerFailed(f"the server answered a published event with {(head + body)[:200]!r}")
        return body


@contextlib.asynccontextmanager
async def open_posts(port: int) -> AsyncIterator[Posts]:
    """Connect to a server, and disconnect in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=HEAD_BYTES_MAX)
    try:
        yield Posts(reader, writer, port)
    finally:
        writer.transport.abort()
