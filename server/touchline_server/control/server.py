"""Runs the control plane's app with uvicorn on the event loop of the process.

The process handles signals itself, so uvicorn's handlers are left out.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from .connection import CONNECTIONS_MAX, Connection

STOP_TIMEOUT_S = 5
"""How long running requests may take when the server stops; then they are cut off."""


class _Server(uvicorn.Server):
    """uvicorn's server without signal handlers, and with an event for when it accepts requests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()


class ControlServer:
    """Serves an ASGI app on a bound socket, which listens on ``port``."""

    def __init__(self, app: Any, listener: socket.socket, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        connection: Any = functools.partial(Connection, connections_max=connections_max)
        config = uvicorn.Config(
            app,
            http=connection,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start; returns once requests are accepted."""
        self._task = asyncio.create_task(self._server.serve([self._listener]))
        accepting = asyncio.create_task(self._server.accepting.wait())
        await asyncio.wait([self._task, accepting], return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Stop accepting, let running requests finish, then close. May be called twice, and without a start."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()
