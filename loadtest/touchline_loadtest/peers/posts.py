"""Publishes over HTTP at little cost: requests are pipelined on one connection, and answered in their order.

A general HTTP client takes about a millisecond for a request. A peer that takes one event per request would then be
limited by its publisher.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable

from .peer import PeerFailed

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 2\d\d ")
HEAD_BYTES_MAX = 64 * 1024


class Posts:
    """One connection to a server. Servers close one that was idle for a while, so it is opened again if need be."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, unless that has been done and the server has not closed it."""
        if self._streams is None or self._streams[0].at_eof() or self._streams[1].is_closing():
            self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=HEAD_BYTES_MAX)
        return self._streams

    def close(self) -> None:
        """Disconnect."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def post(self, path: str, body: bytes) -> bytes:
        """Send one request; returns the body of the response. Raises as `post_all` does."""
        (answer,) = await self.post_all([(path, body)])
        return answer

    async def post_all(self, requests: Iterable[tuple[str, bytes]]) -> list[bytes]:
        """Send requests without waiting in between, each a path and a body of JSON; returns the bodies of the answers.

        Raises:
            PeerFailed: the server refused one, or closed the connection.
        """
        written = [
            b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (path.encode(), self._port, len(body), body)
            for path, body in requests
        ]
        async with self._turn:
            try:
                reader, writer = await self.open()
                writer.writelines(written)
                return [await _response(reader) for _ in written]
            except (OSError, EOFError) as error:
                self.close()
                raise PeerFailed(f"an event could not be published: {error}") from error


@contextlib.asynccontextmanager
async def open_posts(port: int) -> AsyncIterator[Posts]:
    """Connect to a server, and disconnect in the end."""
    posts = Posts(port)
    await posts.open()
    try:
        yield posts
    finally:
        posts.close()


async def _response(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    if not _STATUS.match(head) or length is None:
        raise PeerFailed(f"the server answered a published event with {(head + body)[:200]!r}")
    return body
