"""Publishes over HTTP at little cost: requests are pipelined on one connection, and answered in their order.

A general HTTP client takes about a millisecond for a request. A peer that takes one event per request would then be
limited by its publisher.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from .peer import PeerFailed

_HEAD = re.compile(rb"HTTP/1\.1 (\d\d\d).*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n")
READ_BYTES = 256 * 1024
SUCCESS = range(200, 300)


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
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
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
                return await _answers(reader, len(written))
            except OSError as error:
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


class Response(NamedTuple):
    """A response, and where it ends in what was read."""

    status: int
    body: bytes
    end: int


def response_at(data: bytes, position: int) -> Response | None:
    """The response that begins at ``position``; None if it is not complete.

    Raises:
        PeerFailed: it does not say how long its body is.
    """
    head = _HEAD.match(data, position)
    if head is None:
        return None
    begin = head.end()
    if length := _LENGTH.search(data, position, begin):
        end = begin + int(length[1])
        return Response(int(head[1]), data[begin:end], end) if end <= len(data) else None
    if not _CHUNKED.search(data, position, begin):
        raise PeerFailed(f"the server answered a published event with {head[0]!r}")
    return _chunked(int(head[1]), data, begin)


def _chunked(status: int, data: bytes, position: int) -> Response | None:
    """A body in the chunked transfer coding (RFC 9112), which servers use for long ones. Without trailers."""
    body = b""
    while chunk := _CHUNK.match(data, position):
        end = chunk.end() + int(chunk[1], 16)
        if len(data) < end + 2:
            return None
        if end == chunk.end():
            return Response(status, body, end + 2)
        body += data[chunk.end() : end]
        position = end + 2
    return None


async def _answers(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    """The bodies of the next responses. They are parsed without a wait for each: there may be thousands a second."""
    bodies: list[bytes] = []
    data = b""
    while len(bodies) < count:
        read = await reader.read(READ_BYTES)
        if not read:
            raise ConnectionResetError("the server closed the connection")
        data += read
        position = 0
        while len(bodies) < count and (response := response_at(data, position)):
            if response.status not in SUCCESS:
                raise PeerFailed(f"the server answered a published event with {data[position : response.end][:200]!r}")
            bodies.append(response.body)
            position = response.end
        data = data[position:]
    return bodies
