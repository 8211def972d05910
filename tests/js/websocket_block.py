"""A proxy that lets no WebSocket through, as some in companies and hotels."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class WebSocketBlock:
    """Listens on ``port`` while it runs, and passes all else on to a node."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._upstream = port
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["WebSocketBlock"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if b"upgrade: websocket" in head.lower():
                client.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            else:
                from_node, node = await asyncio.open_connection("127.0.0.1", self._upstream)
                node.write(head)
                for one, other in ((from_node, client), (reader, node)):
                    task = asyncio.create_task(self._pass_on(one, other))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                return
        client.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
