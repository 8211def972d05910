"""The client for asyncio: `touchline.session` put on a WebSocket.

Decides nothing: it obeys the session, carries bytes and times, and hands items to the subscriptions' inboxes.

One task lives as long as the client: it opens a WebSocket, writes to it while a second task reads, closes it, and waits
for the next attempt. Rules:

1. Both tasks end before `Client.aclose` returns; no socket is left.
2. The reader stops reading while the budget for what is not consumed is used up.
"""

import asyncio
import logging
import random as random_numbers
from collections.abc import Callable, Mapping
from contextlib import suppress
from ssl import SSLContext
from types import TracebackType

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from touchline_protocol.codecs import CODECS, CodecName
from touchline_protocol.codes import ABNORMAL
from touchline_protocol.cursor import Cursor
from touchline_protocol.limits import AGENT_CHARS_MAX, RECENT_EVENTS_MAX
from touchline_protocol.messages import Deliver
from touchline_protocol.rooms import split_room
from touchline_protocol.version import __version__

from .backoff import Backoff
from .errors import ClientClosed, ConnectionFailed, TouchlineError
from .inbox import Budget, Inbox
from .items import Gap, Joined, Refused
from .room import Room
from .session import CONNECTED, Session, State
from .subscription import OnRestart, Subscription
from .transport import Way, check_url, close_of, open_websocket

EVENTS_BUFFER_MAX = 10_000
"""Events that may wait to be consumed, over all subscriptions: some seconds of a busy match."""

BUFFER_BYTES_MAX = 64 << 20
"""The same in bytes of messages, since an event may be of 256 KiB."""

SEND_S_MAX = 10.0
"""For the socket to take what we send, which is little: a server that takes nothing for so long is gone."""

log = logging.getLogger("touchline")


def connect(
    url: str,
    *,
    codec: CodecName = "msgpack",
    agent: str = f"touchline-python/{__version__}",
    retry_first: bool = False,
    backoff: Backoff = Backoff(),  # noqa: B008  # it cannot be changed
    events_buffer_max: int = EVENTS_BUFFER_MAX,
    buffer_bytes_max: int = BUFFER_BYTES_MAX,
    ssl: SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    proxy: str | bool = True,
    compression: bool = False,
    random: Callable[[], float] = random_numbers.random,
) -> "Client":
    """A client for ``async with``, which connects on entering and closes on leaving.

    ``agent`` is for the server's log. ``retry_first`` keeps trying where the first connection fails. ``proxy`` True
    takes that of the environment, False none. ``compression`` offers permessage-deflate, which a server may take up.
    ``random`` is the jitter of the waits, from 0 to 1.

    Raises:
        BadUrl: ``url`` is no WebSocket address, or has no use for ``ssl``.
        ValueError: another argument is out of its range.
    """
    check_url(url, ssl)
    codecs = {codec.name: codec for codec in CODECS}
    if codec not in codecs:
        raise ValueError(f"there is no codec {codec!r}; there are: {', '.join(codecs)}")
    if min(events_buffer_max, buffer_bytes_max) < 1:
        raise ValueError("events_buffer_max and buffer_bytes_max must be at least 1")
    if len(agent) > AGENT_CHARS_MAX:
        raise ValueError(f"agent may have {AGENT_CHARS_MAX} characters, not {len(agent)}")
    session = Session(codecs[codec], agent=agent, backoff=backoff, random=random, retry_first=retry_first)
    way = Way(url, ssl, headers, proxy, compression)
    return Client(way, session, Budget(events_buffer_max, buffer_bytes_max))


class Client:
    """A connection that is made again whenever it is lost. Made by `connect`. Belongs to one event loop."""

    def __init__(
        self,
        way: Way,
        session: Session,
        budget: Budget,
    ) -> None:
        self.url = way.url
        self._way = way
        self._session = session
        self._budget = budget
        self._inboxes: dict[Room, Inbox] = {}
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._in_use = False

    def __repr__(self) -> str:
        return f"<Client {self.url} {self._session.state.name.lower()}>"

    @property
    def connected(self) -> bool:
        """Whether there is a connection now; without one, subscriptions wait."""
        return self._session.state in (State.OPEN, State.LEAVING)

    @property
    def edge(self) -> str | None:
        """The name of the edge that welcomed this client last."""
        welcome = self._session.welcome
        return None if welcome is None else welcome.edge

    def subscribe(
        self,
        room: str,
        *,
        after: str | Cursor | None = None,
        last: int = 0,
        deliver: Deliver = "all",
        on_restart: OnRestart | None = None,
    ) -> Subscription:
        """Follow ``room``; also while there is no connection.

        ``after`` is a cursor to go on from. ``last`` is how many of the newest events to begin with, 0 to 1,000, where
        there is no cursor or it cannot be honoured. ``deliver="latest"`` lets the server leave out, where this client
        is behind, events for which there is a newer one of the same key. ``on_restart`` is called with the
        subscription where events may have been missed.

        Raises:
            BadRoom: ``room`` is no room name.
            PeerError: ``after`` is no cursor.
            AlreadySubscribed: this client follows the room already.
            ClientClosed: outside of ``async with``.
            ConnectionFailed: the client has given up.
            ValueError: another argument is out of its range.
        """
        if self._session.failure is not None:
            raise self._session.failure.with_traceback(None)
        if self._loop is None or self._session.state is State.CLOSED:
            raise ClientClosed("subscribe within `async with touchline.connect(…) as client:`")
        split_room(room)
        if not 0 <= last <= RECENT_EVENTS_MAX:
            raise ValueError(f"last is how many events to begin with, 0 to {RECENT_EVENTS_MAX}, not {last}")
        if deliver not in ("all", "latest"):
            raise ValueError(f'deliver is "all" or "latest", not {deliver!r}')
        cursor = Cursor.parse(after) if isinstance(after, str) else after
        followed = self._session.subscribe(room, after=cursor, last=last, deliver=deliver)
        inbox = self._inboxes[followed] = Inbox(self._budget)
        self._wake.set()
        loop = self._loop
        return Subscription(
            room,
            cursor,
            inbox,
            leave=lambda: self._leave(followed),
            leave_later=lambda: _soon(loop, lambda: self._leave(followed)),
            on_restart=on_restart,
        )

    async def aclose(self) -> None:
        """Close the connection; iterators end. Leaving ``async with`` does it."""
        self._session.close()
        self._end_inboxes(None)
        task = self._task
        if task is None:
            return
        self._wake.set()
        if not self._in_use:
            task.cancel()
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        if not task.cancelled():
            task.result()

    async def __aenter__(self) -> "Client":
        if self._task is not None:
            raise ClientClosed("a client is entered once; call touchline.connect for another one")
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name=f"touchline {self.url}")
        try:
            await self._settled.wait()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if self._session.state is State.CLOSED:
            await self.aclose()
        if self._session.failure is not None:
            raise self._session.failure
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self) -> None:
        """Obey the session until it is closed."""
        try:
            while self._session.state is not State.CLOSED:
                if self._session.state is State.CONNECTING:
                    await self._connect()
                else:
                    await self._wait()
        except BaseException:
            self._end_inboxes(ConnectionFailed("the client's task was ended; closing the client tells why"))
            self._session.close()
            raise
        finally:
            self._end_inboxes(self._session.failure)
            self._settled.set()

    async def _wait(self) -> None:
        """Wait until the next attempt is due, or something else is to be done."""
        self._wake.clear()
        await self._until_woken()
        self._session.tick(self._now())

    async def _connect(self) -> None:
        """Open a WebSocket, and use it to its end."""
        session = self._session
        try:
            websocket = await open_websocket(self._way, session.codec)
        except ConnectionFailed as failure:
            session.connect_failed(self._now(), failure)
        else:
            self._in_use = True
            try:
                await self._use(websocket)
            finally:
                self._in_use = False
        self._log_end()

    async def _use(self, websocket: ClientConnection) -> None:
        reader = None
        try:
            self._session.connected(self._now())
            reader = asyncio.create_task(self._read(websocket), name=f"touchline reader {self.url}")
            reader.add_done_callback(lambda _: self._wake.set())
            while self._session.state in CONNECTED:
                self._wake.clear()
                await self._write(websocket)
                await self._until_woken()
                self._session.tick(self._now())
            await websocket.close()
        finally:
            websocket.transport.abort()  # nothing after a close; the end of it all where this was cancelled
            if reader is not None:
                reader.cancel()
                await asyncio.wait({reader})
        if not reader.cancelled():
            reader.result()

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
            pass  # the reader sees it too, after what came before the close

    async def _read(self, websocket: ClientConnection) -> None:
        session = self._session
        try:
            while True:  # also while it closes: the answer comes after what is under way
                if not self._budget.is_free:
                    session.pause()
                    await self._budget.until_free()
                    session.resume(self._now())
                    self._wake.set()  # there is a deadline again
                payload = await websocket.recv(decode=False)
                session.receive(payload, self._now())
                self._hand_over(len(payload))
        except ConnectionClosed as closed:
            session.disconnected(self._now(), *close_of(closed))

    def _hand_over(self, size_bytes: int) -> None:
        """Put what a message brought where it belongs; its bytes are counted once."""
        for room, item in self._session.take_items():
            inbox = self._inboxes.get(room)
            if inbox is None:
                continue
            if isinstance(item, Refused):
                del self._inboxes[room]
                inbox.end(item.error)
                continue
            _warn(room, item)
            inbox.put(item, size_bytes)
            size_bytes = 0
        if self._session.state is State.OPEN and not self._settled.is_set():
            self._settled.set()
        if self._session.stirred:
            self._wake.set()

    async def _until_woken(self) -> None:
        deadline = self._session.deadline
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()

    def _leave(self, room: Room) -> None:
        inbox = self._inboxes.pop(room, None)
        if inbox is not None:
            self._session.unsubscribe(room)
            inbox.discard()
            self._wake.set()

    def _end_inboxes(self, error: TouchlineError | None) -> None:
        """End every subscription: at once where the user closed, after what has arrived where the client gave up."""
        inboxes, self._inboxes = self._inboxes, {}
        for inbox in inboxes.values():
            if error is None:
                inbox.discard()
            else:
                inbox.end(error)

    def _log_end(self) -> None:
        session = self._session
        if session.state is State.WAITING and session.deadline is not None:
            wait_s = max(0.0, session.deadline - self._now())
            log.warning("%s; connecting again in %.1f s", self._with_url(session.trouble), wait_s)
        elif session.failure is not None and self._settled.is_set():
            log.error("given up: %s", self._with_url(str(session.failure)))
        elif session.state is State.CONNECTING:
            log.info("%s; connecting again", self._with_url(session.trouble))

    def _with_url(self, text: str) -> str:
        """What went wrong in opening a WebSocket names the URL itself."""
        return text if text.startswith(self.url) else f"{self.url}: {text}"

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _warn(room: Room, item: object) -> None:
    """Say what a user who looks at nothing but the events would not know."""
    if isinstance(item, Gap):
        log.warning(
            "%s: events up to offset %d are missing after %d; asking for them again", room.name, item.prev, item.seen
        )
    elif isinstance(item, Joined) and item.restarted:
        log.warning("%s: the cursor could not be honoured, events may have been missed; starting over", room.name)


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call from wherever the garbage collector runs."""
    with suppress(RuntimeError):  # the loop is closed, and the client with it
        loop.call_soon_threadsafe(call)
