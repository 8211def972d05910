"""The greenlet that drives an SDK session over WebSockets, as `touchline.driver` does with asyncio.

It carries bytes and times, and decides nothing: `touchline.session.session` has the rules that it obeys. Besides:

1. The observer hears of every attempt, message and end before the session acts on it.
2. The greenlet sleeps until its socket is readable, the session's deadline is due, or a user calls `wake`. Timer and
   watcher live as long as the connection, because a wait with a time-out of its own would cost as much as an event.
3. A slow reader is one whose driver reads at most ``read_bytes_per_s``: in between, the kernel's buffers fill up.
"""

import time
from collections.abc import Callable
from ssl import SSLContext
from typing import NamedTuple, Protocol

import gevent
import gevent.event

from touchline.errors import ConnectionFailed
from touchline.session.session import Session
from touchline.session.states import CONNECTED, State
from touchline_protocol.codes import ABNORMAL, NORMAL, PROTOCOL_ERROR
from touchline_protocol.messages import ClientMessage

from .websocket import WebSocket, open_websocket


class Endpoint(NamedTuple):
    """How to reach a server, and how to read from it. ``receive_buffer_bytes`` is SO_RCVBUF."""

    url: str
    tls: SSLContext | None = None
    receive_buffer_bytes: int | None = None
    read_bytes_per_s: float | None = None


class Watcher(Protocol):
    """Hears what happens to the connection."""

    def connecting(self, now_s: float) -> None:
        """An attempt to connect begins."""

    def connect_failed(self, now_s: float, failure: ConnectionFailed) -> None:
        """The attempt failed."""

    def connected(self, now_s: float) -> None:
        """The WebSocket is open."""

    def asking(self, now_s: float) -> None:
        """Messages are about to be sent."""

    def sent(self, message: ClientMessage) -> None:
        """A message that is about to be sent."""

    def arrived(self, now_s: float, unix_ns: int) -> None:
        """Messages were read from the socket."""

    def closed(self, code: int, *, by_us: bool, silent: bool = False) -> None:
        """The connection ended. ``silent``: the client gave it up, since nothing arrived or could be sent."""


class Driver:
    """Obeys ``session``. ``dispatch`` is called after every call that may give the session something to report."""

    def __init__(
        self,
        endpoint: Endpoint,
        session: Session,
        watcher: Watcher,
        *,
        token: Callable[[], str] | None,
        dispatch: Callable[[], None],
    ) -> None:
        self._endpoint = endpoint
        self._session = session
        self._watcher = watcher
        self._token = token
        self._dispatch = dispatch
        self._websocket: WebSocket | None = None
        self._wake = gevent.event.Event()
        self._readable = False
        self._look = False
        self._was_cut = False
        self._is_due = False
        self._read_after_s = 0.0
        self._timer = gevent.get_hub().loop.timer(0.0)

    def run(self) -> None:
        """Obey the session until it is closed."""
        try:
            while self._session.state is not State.CLOSED:
                if self._session.state is State.CONNECTING:
                    self._connect()
                else:
                    self._wait()
                self._tick()
        finally:
            self._timer.stop()
            self._timer.close()

    def wake(self) -> None:
        """Look at the session again."""
        self._look = True
        self._wake.set()

    def cut(self) -> None:
        """Lose the connection, as a network that is gone does. The session will connect again."""
        if self._websocket is not None and self._session.state in CONNECTED:
            self._was_cut = True
            self._session.disconnected(time.monotonic(), ABNORMAL.code, "cut on purpose")
            self.wake()

    def _connect(self) -> None:
        session, endpoint = self._session, self._endpoint
        self._watcher.connecting(time.monotonic())
        try:
            token = None if self._token is None else self._token()
            websocket = open_websocket(
                endpoint.url, session.codec, receive_buffer_bytes=endpoint.receive_buffer_bytes, tls=endpoint.tls
            )
        except ConnectionFailed as failure:
            now_s = time.monotonic()
            self._watcher.connect_failed(now_s, failure)
            if session.state is State.CONNECTING:
                session.connect_failed(now_s, failure)
            self._dispatch()
            return
        if session.state is not State.CONNECTING:  # the user closed meanwhile
            websocket.abort()
            return
        try:
            self._websocket = websocket
            self._use(websocket, token)
        finally:
            self._websocket = None
            websocket.abort()

    def _use(self, websocket: WebSocket, token: str | None) -> None:
        session = self._session
        now_s = time.monotonic()
        self._read_after_s = 0.0  # the rest was the connection's before
        self._watcher.connected(now_s)
        session.connected(now_s, token)
        self._receive(websocket.take_payloads())
        websocket.watch(self._on_readable)
        while session.state in CONNECTED:
            if session.has_work or self._look:
                self._work(websocket)
                if session.state not in CONNECTED:
                    break
            self._wait()
            if self._readable and time.monotonic() >= self._read_after_s:
                self._read(websocket)
            if self._is_due:
                self._tick()
        self._end(websocket)

    def _end(self, websocket: WebSocket) -> None:
        """The session has left the connection: because it was lost, or in order to leave."""
        session, code, was_cut = self._session, websocket.close_code, self._was_cut
        self._was_cut = False
        websocket.unwatch()
        if code is not None:
            self._watcher.closed(code, by_us=False)
        elif session.failure is not None:
            self._watcher.closed(PROTOCOL_ERROR.code, by_us=False)
        elif session.state is State.WAITING:
            self._watcher.closed(ABNORMAL.code, by_us=was_cut, silent=not was_cut)
        else:
            self._watcher.closed(NORMAL.code, by_us=True)
            websocket.close()

    def _work(self, websocket: WebSocket) -> None:
        """Send what there is to send, and find out when to look again."""
        session = self._session
        self._look = False
        now_s = time.monotonic()
        if session.token_due:
            session.refresh(None if self._token is None else self._token(), now_s)
        text = session.codec.name == "json"
        self._watcher.asking(now_s)
        try:
            for payload in session.take_output():
                self._watcher.sent(session.codec.decode_client(payload))
                websocket.send(payload, text=text)
        except TimeoutError:
            session.disconnected(time.monotonic(), ABNORMAL.code, "nothing could be sent")
        except OSError:
            pass  # the next read sees it too, after everything that arrived before
        self._dispatch()
        self._schedule(session.deadline)

    def _read(self, websocket: WebSocket) -> None:
        """Read what has arrived, up to a bound, and hand it in."""
        self._readable = False
        payloads = websocket.read()
        now_s = time.monotonic()
        self._watcher.arrived(now_s, time.time_ns())
        self._receive(payloads)
        code = websocket.close_code
        if code is not None:
            self._session.disconnected(now_s, code, websocket.close_reason)
        self._dispatch()
        rate = self._endpoint.read_bytes_per_s
        if rate is not None and code is None:
            self._rest(websocket, now_s, sum(map(len, payloads)) / rate)

    def _receive(self, payloads: list[bytes]) -> None:
        session, now_s = self._session, time.monotonic()
        for payload in payloads:
            session.receive(payload, now_s)

    def _rest(self, websocket: WebSocket, now_s: float, rest_s: float) -> None:
        """Read nothing for a while. The session knows, so that silence means nothing."""
        self._read_after_s = now_s + rest_s
        websocket.unwatch()
        self._session.pause()
        gevent.spawn_later(rest_s, self._resume, websocket)

    def _resume(self, websocket: WebSocket) -> None:
        if self._websocket is websocket and self._session.state in CONNECTED:
            self._session.resume(time.monotonic())
            websocket.watch(self._on_readable)
            self.wake()

    def _on_readable(self) -> None:
        self._readable = True
        self._wake.set()

    def _wait(self) -> None:
        """Sleep until there is something to do."""
        if self._session.state not in CONNECTED:
            self._schedule(self._session.deadline)
        self._wake.wait()
        self._wake.clear()

    def _schedule(self, due_s: float | None) -> None:
        """Have `_tick` called then, or a little early: libev's time is that of its last turn."""
        self._timer.stop()
        if due_s is not None:
            self._timer.close()
            self._timer = gevent.get_hub().loop.timer(max(0.0, due_s - time.monotonic()))
            self._timer.start(self._on_due)

    def _on_due(self) -> None:
        self._is_due = True
        self._wake.set()

    def _tick(self) -> None:
        self._is_due = False
        self._session.tick(time.monotonic())
        self._look = True
        self._dispatch()
