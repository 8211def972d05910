"""An issuer that publishes its keys over HTTP, controlled by the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Issuer:
    """``answer`` is its next response, or None to stay silent. ``asked`` counts the requests."""

    def __init__(self) -> None:
        self.answer: bytes | None = b""
        self.asked = 0
        self.url = ""
        self._connections: set[asyncio.StreamWriter] = set()

    def publish(self, document: bytes) -> None:
        """Respond with a key set."""
        self.respond("200 OK", document)

    def respond(self, status: str, body: bytes = b"", headers: str = "") -> None:
        """Respond with anything."""
        self.answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._connections.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                if self.answer is not None:
                    writer.write(self.answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()

    def hang_up(self) -> None:
        """Drop all connections."""
        for writer in self._connections:
            writer.close()


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """A running issuer on a free port."""
    issuer = Issuer()
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    try:
        yield issuer
    finally:
        server.close()
        issuer.hang_up()
        await server.wait_closed()
