"""A subscription: the events of a room, one at a time, for one reader.

Everything that it reports about itself is as of the last event that it handed out, not of what has arrived since. Only
presence is as of now.
"""

import weakref
from collections.abc import Callable
from types import TracebackType

from touchline_protocol.cursor import Cursor

from .errors import ClientClosed
from .inbox import Inbox
from .session.items import Event, Item, Joined, Members, Occupancy
from .session.room import Room
from .session.view import View

OnRestart = Callable[["Subscription"], object]
"""Called if events may have been missed, between the event before and the event after."""


class Subscription:
    """An asynchronous iterator over the events of ``room``. `Client.subscribe` creates it.

    The iterator ends when the subscription or the client is closed. It raises `RoomRefused` if the server refuses the
    room, and `ConnectionFailed` if the client gives up, after the events that had arrived. A call that is cancelled
    takes no event.

    To leave the room at a known time use ``async with``, or `close`. A subscription that nobody holds any more is left
    as well.
    """

    def __init__(
        self,
        room: Room,
        inbox: Inbox,
        *,
        leave: Callable[[], None],
        leave_later: Callable[[], None],
        on_restart: OnRestart | None,
    ) -> None:
        self.room = room.name
        self._inbox = inbox
        self._presence = room.presence
        self._view = View(room.cursor)
        self._leave = leave
        self._on_restart = on_restart
        self._finalizer = weakref.finalize(self, leave_later)
        self._finalizer.atexit = False

    def __repr__(self) -> str:
        return f"<Subscription {self.room} at {self.cursor or 'nothing yet'}>"

    @property
    def state(self) -> dict[str, Event]:
        """The room's state: the newest event of each key, as of the last event that was handed out.

        If a cursor given as ``after`` was honoured, it only has what came since: the server assumes that you have the
        rest. See `state_complete` for whether keys may be missing.
        """
        return self._view.state

    @property
    def state_complete(self) -> bool:
        """Whether ``state`` has every key of the room, as far as the server can tell.

        False if the log has older events than the server has read, or more state than it keeps; and if a cursor given
        as ``after`` was honoured. The keys that ``state`` has are right all the same.
        """
        return self._view.state_complete

    @property
    def cursor(self) -> Cursor | None:
        """Where to continue: everything before it was handed out. None before joining. Save it with ``str()``."""
        return self._view.cursor

    @property
    def epoch(self) -> str | None:
        """The epoch of ``cursor``. If it changes, the log is a different one."""
        return None if self.cursor is None else self.cursor.epoch

    @property
    def recovered(self) -> bool | None:
        """How the room was last joined: True continued from a cursor, False began with the state, None not joined yet.

        Without a cursor, False is as it should be. Whether events may have been missed is what ``restarts`` tells.
        """
        return self._view.recovered

    @property
    def restarts(self) -> int:
        """How often a cursor could not be honoured, so that the room started over and events may have been missed."""
        return self._view.restarts

    @property
    def moves(self) -> int:
        """How often the room went on in another log, such as a mirror after a failover, without starting over.

        Every event of that log is handed out once. Events that it lacks, since a mirror may lag, cannot come back: if
        you have had some of them, ``state`` is that of the log all the same.
        """
        return self._view.moves

    @property
    def skipped(self) -> int:
        """How many events the server left out because newer ones with their keys followed.

        Only with ``deliver="latest"``. After a reconnect the server may count the same ones again.
        """
        return self._view.skipped

    @property
    def gaps(self) -> int:
        """How often an event was found missing. The client asked for what was missing, so nothing is lost."""
        return self._view.gaps

    @property
    def occupancy(self) -> Occupancy | None:
        """How many connections are in the room, as the server said last. None before it has said so."""
        return self._presence.occupancy

    @property
    def members(self) -> Members | None:
        """Which players are in the room, as the server said last. None before it has said so."""
        return self._presence.members

    async def joined(self) -> "Subscription":
        """Wait for the server's answer: after that, ``state`` and ``recovered`` are known. Takes no event.

        Raises:
            RoomRefused: the server refused the room.
            ConnectionFailed: the client gave up.
            ClientClosed: the subscription or the client was closed.
        """
        while self.recovered is None:
            if await self._next() is None:
                raise ClientClosed(f"the subscription to {self.room} was closed before the server answered")
        return self

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        while (item := await self._next()) is not None:
            if isinstance(item, Event):
                return item
        raise StopAsyncIteration

    def close(self) -> None:
        """Leave the room, and drop what was not read. Closing again does nothing."""
        self._finalizer.detach()
        self._leave()

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def _next(self) -> Item | None:
        """Apply the next item to the view; None at the end."""
        item = await self._inbox.get()
        if item is None:
            if self._inbox.error is not None:
                raise self._inbox.error.with_traceback(None)  # several readers may raise the same one
            return None
        self._view.apply(item)
        if isinstance(item, Joined) and item.restarted and self._on_restart is not None:
            self._on_restart(self)
        return item
