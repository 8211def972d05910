"""Publishes straight into a log. Needs no server."""

from collections.abc import Sequence
from contextlib import ExitStack

from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import split_room
from touchline_server.config.settings import Settings
from touchline_server.config.suggestions import unknown_feed
from touchline_server.core.log import Log, Position
from touchline_server.log.append_events import append_events
from touchline_server.log.open import make_log
from touchline_server.new_events import NewEvent
from touchline_server.server_log.setup import command_notes


class LogTarget:
    """Implements `target.PublishTarget`."""

    def __init__(self, log: Log, settings: Settings, notes: ExitStack) -> None:
        self._log = log
        self._feeds = settings.feeds
        self._notes = notes

    @classmethod
    async def open(cls, settings: Settings) -> "LogTarget":
        """Connect to the log of ``settings``.

        Raises:
            OperatorError: the log cannot be reached.
        """
        with ExitStack() as stack:
            stack.enter_context(command_notes())
            log = make_log(settings)
            try:
                await log.open([], since_ms=0)
            except BaseException:
                await log.close()
                raise
            return cls(log, settings, stack.pop_all())

    async def publish(self, room: str, events: Sequence[NewEvent]) -> list[Position]:
        feed, room_id = split_room(room)
        if feed not in self._feeds:
            raise OperatorError(unknown_feed(feed, self._feeds))
        return await append_events(self._log, self._feeds[feed].topic, room_id, events)

    async def close(self) -> None:
        with self._notes:
            await self._log.close()
