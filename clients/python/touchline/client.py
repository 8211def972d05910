"""The asyncio client: a session (`touchline.session`) on top of a WebSocket.

It decides nothing: it passes the user's wishes to the session. `driver` has the tasks that read and write, and
`dispatcher` hands out what the session has to report.
"""

import asyncio
import random as random_numbers
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from ssl import SSLContext
from types import TracebackType
from typing import Any

from touchline_protocol.codecs import CODECS, RAW_JSON, Codec, CodecName
from touchline_protocol.cursor import Cursor
from touchline_protocol.limits import AGENT_CHARS_MAX, RECENT_EVENTS_MAX
from touchline_protocol.messages import Deliver
from touchline_protocol.rooms import split_room
from touchline_protocol.tracing.traceparent import traceparent_of
from touchline_protocol.version import __version__

from .dispatcher import Dispatcher, OnMembers, OnOccupancy, OnPresence, OnVerdict
from .driver import Driver
from .errors import ClientClosed, ConnectionFailed
from .inbox import Budget
from .session.action_data import check_kind, encode_data
from .session.items import Verdict
from .session.pending_action import Receipt
from .session.reconnect import Backoff
from .session.room import Room
from .session.session import Session
from .session.states import SERVED, State
from .subscription import OnRestart, Subscription
from .token_source import TokenFunction, TokenSource
from .transport import Endpoint, check_url

EVENTS_BUFFER_MAX = 10_000
"""Events that may wait to be read, over all subscriptions: a few seconds of a busy match."""

BUFFER_BYTES_MAX = 64 << 20
"""The same in bytes of messages, because one event may take 256 KiB."""

ACTIONS_BUFFER_MAX = 256
"""Actions that may wait for their answers: minutes of a busy player, and more than a lost connection should cost."""


def connect(
    url: str,
    *,
    token: str | TokenFunction | None = None,
    codec: CodecName = "msgpack",
    agent: str = f"touchline-python/{__version__}",
    retry_first: bool = False,
    backoff: Backoff = Backoff(),  # noqa: B008  # immutable
    events_buffer_max: int = EVENTS_BUFFER_MAX,
    buffer_bytes_max: int = BUFFER_BYTES_MAX,
    actions_buffer_max: int = ACTIONS_BUFFER_MAX,
    on_verdict: OnVerdict | None = None,
    ssl: SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    proxy: str | bool = True,
    compression: bool = False,
    decode_data: bool = True,
    random: Callable[[], float] = random_numbers.random,
) -> "Client":
    """A client for ``async with``, which connects on entering and closes on leaving.

    ``token`` says who the player is: a string, or a function, asynchronous or not, that returns one. The client calls
    it for each connection, and again before a token expires. ``on_verdict`` is called with each verdict about the
    player. ``agent`` is for the server's log. ``retry_first`` keeps trying if the first connection fails. ``proxy``
    True uses the environment's proxy, False none. ``compression`` offers permessage-deflate, which a server may accept.
    Without ``decode_data``, which needs the codec json, the data of events is JSON as it was published, in bytes.
    ``random`` is the jitter of the waits, from 0 to 1.

    Raises:
        BadUrl: ``url`` is not a WebSocket address, or has no use for ``ssl``.
        ValueError: another argument is out of range.
    """
    check_url(url, ssl)
    if not all(limit >= 1 for limit in (events_buffer_max, buffer_bytes_max, actions_buffer_max)):  # NaN is not
        raise ValueError("events_buffer_max, buffer_bytes_max and actions_buffer_max must be at least 1")
    if len(agent) > AGENT_CHARS_MAX:
        raise ValueError(f"agent may have at most {AGENT_CHARS_MAX} characters, not {len(agent)}")
    _check_backoff(backoff)
    tokens = TokenSource(token)
    session = Session(
        _codec_named(codec) if decode_data else _raw(codec),
        agent=agent,
        backoff=backoff,
        random=random,
        retry_first=retry_first,
        actions_max=actions_buffer_max,
        can_renew_token=tokens.can_renew,
    )
    endpoint = Endpoint(url, ssl, headers, proxy, compression)
    return Client(endpoint, session, tokens, Budget(events_buffer_max, buffer_bytes_max), on_verdict)


class Client:
    """A connection that is made again whenever it is lost. `connect` creates it. It belongs to one event loop."""

    def __init__(
        self, endpoint: Endpoint, session: Session, tokens: TokenSource, budget: Budget, on_verdict: OnVerdict | None
    ) -> None:
        self.url = endpoint.url
        self._session = session
        self._dispatcher = Dispatcher(session, budget, on_verdict)
        self._driver = Driver(endpoint, session, budget=budget, tokens=tokens, dispatcher=self._dispatcher)
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<Client {self.url} {self._session.state.name.lower()}>"

    @property
    def connected(self) -> bool:
        """Whether there is a connection now. Without one, subscriptions wait."""
        return self._session.state in SERVED

    @property
    def edge(self) -> str | None:
        """The name of the edge that last welcomed this client."""
        welcome = self._session.welcome
        return None if welcome is None else welcome.edge

    @property
    def player(self) -> str | None:
        """The player whose token this client presented, as the server read it; None without one."""
        welcome = self._session.welcome
        return None if welcome is None else welcome.player

    @property
    def verdict(self) -> Verdict | None:
        """The newest verdict about the player that this client has received."""
        return self._session.verdict

    def subscribe(
        self,
        room: str,
        *,
        after: str | Cursor | None = None,
        last: int = 0,
        deliver: Deliver = "all",
        on_restart: OnRestart | None = None,
        occupancy: bool = False,
        on_occupancy: OnOccupancy | None = None,
        members: bool = False,
        on_members: OnMembers | None = None,
    ) -> Subscription:
        """Follow ``room``, with or without a connection.

        ``after`` is a cursor to continue from. ``last`` is how many of the newest events to begin with, 0 to 1,000, if
        there is no cursor or it cannot be honoured. ``deliver="latest"`` lets the server leave out events for which
        there is a newer one with the same key, when this client is behind. ``on_restart`` is called with the
        subscription if events may have been missed. ``occupancy`` asks how many connections are in the room,
        ``members`` which players; the latter takes a token that allows it. Either callback asks as well, and is called
        as the answers arrive, whatever events are read.

        Raises:
            BadRoom: ``room`` is not a valid room name.
            PeerError: ``after`` is not a cursor.
            AlreadySubscribed: this client follows the room already.
            ClientClosed: called outside of ``async with``.
            ConnectionFailed: the client has given up.
            ValueError: another argument is out of range.
        """
        loop = self._open_loop("subscribe")
        split_room(room)
        _check(last, deliver)
        followed = self._session.subscribe(
            room,
            after=Cursor.parse(after) if isinstance(after, str) else after,
            last=last,
            deliver=deliver,
            occupancy=occupancy or on_occupancy is not None,
            members=members or on_members is not None,
        )
        inbox = self._dispatcher.add_inbox(followed, OnPresence(on_occupancy, on_members))
        self._driver.wake()
        return Subscription(
            followed,
            inbox,
            leave=lambda: self._leave(followed),
            leave_later=lambda: _call_soon(loop, lambda: self._leave(followed)),
            on_restart=on_restart,
        )

    async def act(self, room: str, kind: str, data: Any = None, *, traceparent: str | None = None) -> Receipt:
        """Act in ``room``, with or without a subscription to it. Returns when the action is in the log, durably.

        ``kind`` is the action's name, such as ``tap``, and ``data`` any JSON value. Actions are done in the order of
        the calls, even if one call does not wait for another; and once each, across lost connections. If a call is
        cancelled before its action was sent, nothing is done. After that the action is done or not, and nobody learns
        which.

        ``traceparent`` (W3C Trace Context) is the caller's span, which the action's record continues. An invalid one is
        ignored, as the specification asks.

        Raises:
            ActionRefused: the server does not take it; ``code`` says why.
            ActionInDoubt: it was sent, and no answer arrived within `ACTION_RESEND_S_MAX` seconds.
            ActionsFull: at once, if ``actions_buffer_max`` actions are waiting for their answers.
            BadRoom: ``room`` is not a valid room name.
            ValueError: ``kind`` is not a valid kind, or ``data`` contains something that cannot be sent.
            TypeError: ``data`` contains something that JSON cannot express.
            ClientClosed: called outside of ``async with``, or the client was closed meanwhile.
            ConnectionFailed: the client has given up, or does so meanwhile. If the action was sent, it may be done.
        """
        self._open_loop("act")
        split_room(room)
        check_kind(kind)
        span = None if traceparent is None else traceparent_of(traceparent)
        action = self._session.act(room, kind, encode_data(data), span)
        self._driver.wake()
        return await self._dispatcher.wait_for(action)

    async def aclose(self) -> None:
        """Close the connection, and end iterators and waiting calls. Leaving ``async with`` does this too."""
        self._session.close()
        self._dispatcher.end(None)
        task = self._task
        if task is None:
            return
        self._driver.wake()
        if not self._driver.in_use:
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
            raise ClientClosed("a client can be entered only once; call touchline.connect for another one")
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name=f"touchline {self.url}")
        try:
            await self._dispatcher.settled.wait()
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
        """Drive the session until it is closed."""
        try:
            await self._driver.run()
        except BaseException:
            self._dispatcher.end(ConnectionFailed("the client's task has ended; closing the client raises the reason"))
            self._session.close()
            raise
        finally:
            self._dispatcher.end(self._session.failure)
            self._dispatcher.settled.set()

    def _open_loop(self, what: str) -> asyncio.AbstractEventLoop:
        """The loop that the client runs in, if it does."""
        if self._session.failure is not None:
            raise self._session.failure.with_traceback(None)
        if self._loop is None or self._session.state is State.CLOSED:
            raise ClientClosed(f"{what} only works within `async with touchline.connect(…) as client:`")
        return self._loop

    def _leave(self, room: Room) -> None:
        if self._dispatcher.remove_inbox(room):
            self._session.unsubscribe(room)
            self._driver.wake()


def _check_backoff(backoff: Backoff) -> None:
    if not all(0 < bound_s < inf for bound_s in backoff):
        raise ValueError(f"the bounds of backoff must be finite and more than 0 seconds, not {backoff}")


def _check(last: int, deliver: str) -> None:
    if not isinstance(last, int) or not 0 <= last <= RECENT_EVENTS_MAX:
        raise ValueError(f"last is how many events to begin with, 0 to {RECENT_EVENTS_MAX}, not {last}")
    if deliver not in ("all", "latest"):
        raise ValueError(f'deliver must be "all" or "latest", not {deliver!r}')


def _codec_named(name: str) -> Codec:
    codecs = {codec.name: codec for codec in CODECS}
    if name not in codecs:
        raise ValueError(f"there is no codec {name!r}; choose one of {', '.join(codecs)}")
    return codecs[name]


def _raw(name: str) -> Codec:
    if name != RAW_JSON.name:
        raise ValueError(f'decode_data=False needs codec="json": {name} has no JSON')
    return RAW_JSON


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call this from wherever the garbage collector runs."""
    with suppress(RuntimeError):  # the loop is closed, and the client with it
        loop.call_soon_threadsafe(call)
