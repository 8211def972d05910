"""The task that drives a session over WebSockets. It carries bytes and times, and decides nothing.

It lives as long as the client: it opens a WebSocket, writes to it while a second task reads, closes it, and waits for
the next attempt. A third task gets a newer token when the session asks for one. Rules:

1. All tasks end before `Driver.run` does, and no socket stays open.
2. The reader stops reading while the budget for unread items is used up.
3. After every call that may give the session something to report, the dispatcher hands it out.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from touchline_protocol.codes import ABNORMAL
from touchline_protocol.printable import without_credentials

from .dispatcher import Dispatcher
from .errors import ConnectionFailed, TokenUnavailable
from .inbox import Budget
from .session.session import Session
from .session.states import CONNECTED, State
from .token_source import TokenSource
from .transport import Endpoint, close_of, close_websocket, open_websocket

SEND_S_MAX = 10.0
"""How long the socket may take to accept our output, which is little. A server that accepts none of it is gone."""

log = logging.getLogger("touchline")


class Driver:
    """Obeys ``session``. While ``in_use``, a WebSocket is open, and a session that is closed ends it cleanly."""

    def __init__(
        self, endpoint: Endpoint, session: Session, *, budget: Budget, tokens: TokenSource, dispatcher: Dispatcher
    ) -> None:
        self.in_use = False
        self._lost_reported = False
        self._endpoint = endpoint
        self._session = session
        self._budget = budget
        self._tokens = tokens
        self._dispatcher = dispatcher
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refresh_task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Look at the session again."""
        self._wake.set()

    async def run(self) -> None:
        """Obey the session until it is closed."""
        while self._session.state is not State.CLOSED:
            if self._session.state is State.CONNECTING:
                await self._connect()
            else:
                await self._wait()

    async def _wait(self) -> None:
        """Wait until the next attempt is due, or there is something else to do."""
        self._wake.clear()
        await self._wait_until_woken()
        self._tick()

    async def _connect(self) -> None:
        """Open a WebSocket, and use it to its end."""
        session = self._session
        try:
            token = await self._tokens.get()
            websocket = await open_websocket(self._endpoint, session.codec)
        except ConnectionFailed as failure:
            session.connect_failed(self._now(), failure)
        else:
            self.in_use = True
            try:
                await self._use(websocket, token)
            finally:
                self.in_use = False
        self._log_end()

    async def _use(self, websocket: ClientConnection, token: str | None) -> None:
        try:
            self._session.connected(self._now(), token)
            self._start(self._read(websocket), "reader")
            while self._session.state in CONNECTED:
                self._wake.clear()
                self._start_refresh()
                await self._write(websocket)
                await self._wait_until_woken()
                self._tick()
            await close_websocket(websocket)
        finally:
            websocket.transport.abort()  # does nothing after a close; ends everything if this was cancelled
            tasks, self._tasks = self._tasks, set()
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run a task beside, at most as long as the connection is in use."""
        task = asyncio.create_task(work, name=f"touchline {name} {self._endpoint.url}")
        task.add_done_callback(lambda _: self._wake.set())
        self._tasks.add(task)
        return task

    async def _write(self, websocket: ClientConnection) -> None:
        session = self._session
        text = session.codec.name == "json"
        try:
            async with asyncio.timeout(SEND_S_MAX):
                for payload in session.take_output():
                    await websocket.send(payload, text=text)
        except TimeoutError:
            session.disconnected(self._now(), ABNORMAL.code, f"nothing could be sent for {SEND_S_MAX:g} s")
            self._wake.set()
        except ConnectionClosed:
            pass  # the reader sees it too, after everything that arrived before the close
        self._dispatcher.dispatch(0)

    async def _read(self, websocket: ClientConnection) -> None:
        session = self._session
        try:
            while True:  # also while closing: the peer's answer comes after everything that is on its way
                if not self._budget.is_free:
                    session.pause()
                    await self._budget.wait_until_free()
                    session.resume(self._now())
                    self._wake.set()  # there is a deadline again
                payload = await websocket.recv(decode=False)
                session.receive(payload, self._now())
                self._log_return()
                self._dispatcher.dispatch(len(payload))
                if session.has_work:
                    self._wake.set()
        except ConnectionClosed as closed:
            session.disconnected(self._now(), *close_of(closed))

    def _start_refresh(self) -> None:
        if self._session.token_due and (self._refresh_task is None or self._refresh_task.done()):
            self._refresh_task = self._start(self._refresh(), "refresh")

    async def _refresh(self) -> None:
        """Get a newer token. Without one, the token in use may last until the next attempt."""
        try:
            token = await self._tokens.get()
        except TokenUnavailable as failure:
            log.warning("%s: %s; trying again while the current token lasts", self._endpoint.url, failure)
            token = None
        self._session.refresh(token, self._now())

    def _tick(self) -> None:
        self._session.tick(self._now())
        self._dispatcher.dispatch(0)

    async def _wait_until_woken(self) -> None:
        deadline = self._session.deadline
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()

    def _log_end(self) -> None:
        session = self._session
        if session.state is State.WAITING and session.reconnect_at is not None:
            wait_s = max(0.0, session.reconnect_at - self._now())
            self._lost_reported = True
            log.warning("%s; connecting again in %.1f s", self._with_url(session.trouble), wait_s)
        elif session.failure is not None and session.welcome is not None:  # otherwise `connect` raises it
            log.error("giving up: %s", self._with_url(str(session.failure)))
        elif session.state is State.CONNECTING:
            log.info("%s; connecting again", self._with_url(session.trouble))

    def _log_return(self) -> None:
        if self._lost_reported and self._session.state is State.OPEN:
            self._lost_reported = False
            log.warning(self._with_url("connected again"))

    def _with_url(self, text: str) -> str:
        """Put the URL in front, unless the text starts with it, as that of a failure to connect does."""
        url = without_credentials(self._endpoint.url)
        return text if text.startswith(url) else f"{url}: {text}"

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
