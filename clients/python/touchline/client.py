"""The client for asyncio: `touchline.session` put on a WebSocket.

Decides nothing: it hands what the user wants to the session, and what the session has to the user: items to the
subscriptions' inboxes, outcomes to those who wait for them. `touchline.driver` has the tasks that read and write.
"""

import asyncio
import logging
import random as random_numbers
from collections.abc import Callable, Mapping
from contextlib import suppress
from ssl import SSLContext
from types import TracebackType
from typing import Any

from touchline_protocol.codecs import CODECS, CodecName
from touchline_protocol.cursor import Cursor
from touchline_protocol.limits import AGENT_CHARS_MAX, RECENT_EVENTS_MAX
from touchline_protocol.messages import Deliver
from touchline_protocol.rooms import split_room
from touchline_protocol.version import __version__

from .driver import Driver
from .errors import ClientClosed, ConnectionFailed, TouchlineError
from .inbox import Budget, Inbox
from .session.action_data import check_kind, encode_data
from .session.backoff import Backoff
from .session.items import Gap, Joined, Refused, Verdict
from .session.outbox import Outcome, PendingAction, Receipt
from .session.room import Room
from .session.session import Session
from .session.states import SERVED, State
from .subscription import OnRestart, Subscription
from .token_source import TokenFunction, TokenSource
from .transport import Endpoint, check_url

EVENTS_BUFFER_MAX = 10_000
"""Events that may wait to be consumed, over all subscriptions: some seconds of a busy match."""

BUFFER_BYTES_MAX = 64 << 20
"""The same in bytes of messages, since an event may be of 256 KiB."""

ACTIONS_BUFFER_MAX = 256
"""Actions that may wait for their answers: minutes of a busy player's, and more than a lost connection should cost."""

OnVerdict = Callable[[Verdict], object]
"""Called with each verdict about the player as it comes."""

log = logging.getLogger("touchline")


def connect(
    url: str,
    *,
    token: str | TokenFunction | None = None,
    codec: CodecName = "msgpack",
    agent: str = f"touchline-python/{__version__}",
    retry_first: bool = False,
    backoff: Backoff = Backoff(),  # noqa: B008  # it cannot be changed
    events_buffer_max: int = EVENTS_BUFFER_MAX,
    buffer_bytes_max: int = BUFFER_BYTES_MAX,
    actions_buffer_max: int = ACTIONS_BUFFER_MAX,
    on_verdict: OnVerdict | None = None,
    ssl: SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    proxy: str | bool = True,
    compression: bool = False,
    random: Callable[[], float] = random_numbers.random,
) -> "Client":
    """A client for ``async with``, which connects on entering and closes on leaving.

    ``token`` says who the player is: a text, or a function, asynchronous or not, that returns one. It is called for
    each connection, and again before a token's time is over. ``on_verdict`` is called with each verdict about the
    player. ``agent`` is for the server's log. ``retry_first`` keeps trying where the first connection fails.
    ``proxy`` True takes that of the environment, False none. ``compression`` offers permessage-deflate, which a server
    may take up. ``random`` is the jitter of the waits, from 0 to 1.

    Raises:
        BadUrl: ``url`` is no WebSocket address, or has no use for ``ssl``.
        ValueError: another argument is out of its range.
    """
    check_url(url, ssl)
    codecs = {codec.name: codec for codec in CODECS}
    if codec not in codecs:
        raise ValueError(f"there is no codec {codec!r}; there are: {', '.join(codecs)}")
    if min(events_buffer_max, buffer_bytes_max, actions_buffer_max) < 1:
        raise ValueError("events_buffer_max, buffer_bytes_max and actions_buffer_max must be at least 1")
    if len(agent) > AGENT_CHARS_MAX:
        raise ValueError(f"agent may have {AGENT_CHARS_MAX} characters, not {len(agent)}")
    tokens = TokenSource(token)
    session = Session(
        codecs[codec],
        agent=agent,
        backoff=backoff,
        random=random,
        retry_first=retry_first,
        actions_max=actions_buffer_max,
        can_renew_token=tokens.can_renew,
    )
    way = Endpoint(url, ssl, headers, proxy, compression)
    return Client(way, session, tokens, Budget(events_buffer_max, buffer_bytes_max), on_verdict)


class Client:
    """A connection that is made again whenever it is lost. Made by `connect`. Belongs to one event loop."""

    def __init__(
        self, way: Endpoint, session: Session, tokens: TokenSource, budget: Budget, on_verdict: OnVerdict | None
    ) -> None:
        self.url = way.url
        self._session = session
        self._driver = Driver(way, session, budget=budget, tokens=tokens, told=self._hand_over)
        self._budget = budget
        self._on_verdict = on_verdict
        self._verdict_told: Verdict | None = None
        self._inboxes: dict[Room, Inbox] = {}
        self._answers: dict[PendingAction, asyncio.Future[Outcome | TouchlineError]] = {}
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._settled = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Client {self.url} {self._session.state.name.lower()}>"

    @property
    def connected(self) -> bool:
        """Whether there is a connection now; without one, subscriptions wait."""
        return self._session.state in SERVED

    @property
    def edge(self) -> str | None:
        """The name of the edge that welcomed this client last."""
        welcome = self._session.welcome
        return None if welcome is None else welcome.edge

    @property
    def player(self) -> str | None:
        """Who this client is, as the server read it in the token; None without one."""
        welcome = self._session.welcome
        return None if welcome is None else welcome.player

    @property
    def verdict(self) -> Verdict | None:
        """The newest verdict about the player that this client was told."""
        return self._session.verdict

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
        loop = self._open_loop("subscribe")
        split_room(room)
        if not 0 <= last <= RECENT_EVENTS_MAX:
            raise ValueError(f"last is how many events to begin with, 0 to {RECENT_EVENTS_MAX}, not {last}")
        if deliver not in ("all", "latest"):
            raise ValueError(f'deliver is "all" or "latest", not {deliver!r}')
        cursor = Cursor.parse(after) if isinstance(after, str) else after
        followed = self._session.subscribe(room, after=cursor, last=last, deliver=deliver)
        inbox = self._inboxes[followed] = Inbox(self._budget)
        self._driver.wake()
        return Subscription(
            room,
            cursor,
            inbox,
            leave=lambda: self._leave(followed),
            leave_later=lambda: _soon(loop, lambda: self._leave(followed)),
            on_restart=on_restart,
        )

    async def act(self, room: str, kind: str, data: Any = None) -> Receipt:
        """Do something in ``room``, which need not be subscribed to; returns when it is in the log, durably.

        ``kind`` is its name, as ``tap``, and ``data`` any JSON value. Actions are done in the order of the calls, also
        where one call does not wait for another's end; across lost connections, each once. A call that is cancelled
        before its action was sent has done nothing; after that it is done or not, and nobody is told.

        Raises:
            ActionRefused: the server does not take it; ``code`` says why.
            ActionInDoubt: it was sent, and no answer came in `ACTION_RESEND_S_MAX` seconds.
            ActionsFull: at once, as many as ``actions_buffer_max`` wait for their answers.
            BadRoom: ``room`` is no room name.
            ValueError: ``kind`` cannot name a kind, or ``data`` holds what cannot be sent.
            TypeError: ``data`` holds what JSON cannot say.
            ClientClosed: outside of ``async with``, or closed meanwhile.
            ConnectionFailed: the client has given up, or does so meanwhile. If the action was sent, it may be done.
        """
        loop = self._open_loop("act")
        split_room(room)
        check_kind(kind)
        act = self._session.act(room, kind, encode_data(data))
        answer: asyncio.Future[Outcome | TouchlineError] = loop.create_future()
        self._answers[act] = answer
        self._driver.wake()
        try:
            outcome = await answer
        finally:
            self._answers.pop(act, None)
            self._session.withdraw(act)
        if isinstance(outcome, TouchlineError):
            raise outcome.with_traceback(None)  # several may wait for the same end
        return outcome

    async def aclose(self) -> None:
        """Close the connection; iterators end, and who waits for an action is told. Leaving ``async with`` does it."""
        self._session.close()
        self._end(None)
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
        """Drive the session until it is closed."""
        try:
            await self._driver.run()
        except BaseException:
            self._end(ConnectionFailed("the client's task was ended; closing the client tells why"))
            self._session.close()
            raise
        finally:
            self._end(self._session.failure)
            self._settled.set()

    def _open_loop(self, what: str) -> asyncio.AbstractEventLoop:
        """The loop that the client runs in, if it does."""
        if self._session.failure is not None:
            raise self._session.failure.with_traceback(None)
        if self._loop is None or self._session.state is State.CLOSED:
            raise ClientClosed(f"{what} within `async with touchline.connect(…) as client:`")
        return self._loop

    def _hand_over(self, size_bytes: int) -> None:
        """Put what a message brought where it belongs; its bytes are counted once."""
        for act, outcome in self._session.take_outcomes():
            self._answer(act, outcome)
        self._tell_verdict()
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

    def _answer(self, act: PendingAction, outcome: Outcome | TouchlineError) -> None:
        answer = self._answers.get(act)
        if answer is not None and not answer.done():
            answer.set_result(outcome)

    def _tell_verdict(self) -> None:
        verdict = self._session.verdict
        if verdict is self._verdict_told:
            return
        self._verdict_told = verdict
        if self._on_verdict is not None and verdict is not None:
            try:
                self._on_verdict(verdict)
            except Exception:  # a user's mistake must not end the connection
                log.exception("on_verdict failed")

    def _leave(self, room: Room) -> None:
        inbox = self._inboxes.pop(room, None)
        if inbox is not None:
            self._session.unsubscribe(room)
            inbox.discard()
            self._driver.wake()

    def _end(self, error: TouchlineError | None) -> None:
        """End every subscription: at once where the user closed, after what has arrived where the client gave up.

        Nobody waits any longer for an action either.
        """
        inboxes, self._inboxes = self._inboxes, {}
        for inbox in inboxes.values():
            if error is None:
                inbox.discard()
            else:
                inbox.end(error)
        for act in self._answers:
            self._answer(act, error or ClientClosed("the client was closed; if the action was sent, it may be done"))


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
