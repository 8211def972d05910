"""Runs the control plane's app by uvicorn, in the loop of the process that it is part of.

Signals are the process's own business: uvicorn's handlers are left out.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

STOP_SECONDS_MAX = 5
"""Requests under way at a stop may take so long; then they are cut off."""


# A warning for every connection that speaks no HTTP would let strangers fill the log.
logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


class _Server(uvicorn.Server):
    """uvicorn's server without signal handlers, and with an event that says when it accepts."""

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
    """Serves an ASGI app on a socket that is bound already. ``port`` is where it listens."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS_MAX,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve; returns once requests are accepted."""
        self._task = asyncio.create_task(self._server.serve([self._listener]))
        accepting = asyncio.create_task(self._server.accepting.wait())
        await asyncio.wait([self._task, accepting], return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Accept nothing more, let requests under way end, then close. May be called twice, and without a start."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()
