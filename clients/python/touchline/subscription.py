"""A subscription: the events of a room, one after the other, for one reader.

All that it says of itself is as of the event that it handed out last, not as of what has arrived meanwhile.
"""

import weakref
from collections.abc import Callable
from types import TracebackType

from touchline_protocol.cursor import Cursor

from .errors import ClientClosed
from .inbox import Inbox
from .session.items import Event, Item, Joined
from .session.view import View

OnRestart = Callable[["Subscription"], object]
"""Called where events may have been missed, between the event before and the event after."""


class Subscription:
    """An asynchronous iterator over the events of ``room``. Made by `Client.subscribe`.

    The iterator ends when the subscription or the client is closed. It raises `RoomRefused` where the server refuses
    the room, and `ConnectionFailed` where the client gives up, after the events that had arrived. A call that is
    cancelled has taken no event.

    To leave the room at a known time use ``async with``, or `close`. One that nobody holds any more is left as well.
    """

    def __init__(
        self,
        room: str,
        after: Cursor | None,
        inbox: Inbox,
        *,
        leave: Callable[[], None],
        leave_later: Callable[[], None],
        on_restart: OnRestart | None,
    ) -> None:
        self.room = room
        self._inbox = inbox
        self._view = View(after)
        self._leave = leave
        self._on_restart = on_restart
        self._dropped = weakref.finalize(self, leave_later)
        self._dropped.atexit = False

    def __repr__(self) -> str:
        return f"<Subscription {self.room} at {self.cursor or 'nothing yet'}>"

    @property
    def state(self) -> dict[str, Event]:
        """The room's state: of each key the newest event, as of the last event that was handed out.

        It is whole where the room was begun from its state, as always without ``after``. Where a cursor given as
        ``after`` was honoured, it has only what came since: the server takes it that you have the rest.
        """
        return self._view.state

    @property
    def cursor(self) -> Cursor | None:
        """Where to go on: all before it has been handed out. None before the room is joined. ``str()`` to save it."""
        return self._view.cursor

    @property
    def epoch(self) -> str | None:
        """The epoch of ``cursor``; another one means that the log is another one."""
        return None if self.cursor is None else self.cursor.epoch

    @property
    def recovered(self) -> bool | None:
        """How the room was joined last: True went on from a cursor, False began with the state; None is not yet.

        Without a cursor False is as it should be; whether anything may have been missed is what ``restarts`` says.
        """
        return self._view.recovered

    @property
    def restarts(self) -> int:
        """How often a cursor could not be honoured, so that events may have been missed: the room began anew."""
        return self._view.restarts

    @property
    def skipped(self) -> int:
        """How many events the server said that it left out since newer ones of their keys followed.

        Only with ``deliver="latest"``. After a reconnect it may say so again of the same ones.
        """
        return self._view.skipped

    @property
    def gaps(self) -> int:
        """How often an event was found missing. What was missing has been asked for again, so nothing is lost."""
        return self._view.gaps

    async def joined(self) -> "Subscription":
        """Wait until the server has answered: then ``state`` and ``recovered`` are there. Takes no event.

        Raises:
            RoomRefused: the server refused the room.
            ConnectionFailed: the client gave up.
            ClientClosed: the subscription or the client was closed.
        """
        while self.recovered is None:
            if await self._next() is None:
                raise ClientClosed(f"the subscription of {self.room} was closed before it was answered")
        return self

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        while (item := await self._next()) is not None:
            if isinstance(item, Event):
                return item
        raise StopAsyncIteration

    def close(self) -> None:
        """Leave the room, and forget what was not read. Closing again does nothing."""
        self._dropped.detach()
        self._leave()

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def _next(self) -> Item | None:
        """Take the next item into the view; None at the end."""
        item = await self._inbox.get()
        if item is None:
            if self._inbox.error is not None:
                raise self._inbox.error.with_traceback(None)  # several readers may raise the same one
            return None
        self._view.apply(item)
        if isinstance(item, Joined) and item.restarted and self._on_restart is not None:
            self._on_restart(self)
        return item
