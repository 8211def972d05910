"""The log as the parts of an edge see it: the replayer reads old records of it, players' actions are appended to it.

The edge knows no log, and the log no edge; whoever puts them together does it with these.
"""

import asyncio
from collections.abc import Sequence

from touchline_protocol.errors import OperatorError
from touchline_server.core.action_queue import Draft
from touchline_server.core.log import AppendFailed, Entry, Log, OffsetOutOfRange
from touchline_server.core.subscription import Wanted
from touchline_server.edge.appender import Appended
from touchline_server.edge.replayer import Replayed


class LogReplays:
    """Implements `edge.replayer.ReplaySource`. A log reads for one at a time."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = asyncio.Lock()

    async def read(self, wanted: Wanted, records_max: int) -> Replayed | None:
        """Read old records of a room's partition; None where the log does not have them any more."""
        stream = wanted.stream
        async with self._lock:
            try:
                chunk = await self._log.read(
                    stream.topic,
                    stream.topic_epoch,
                    stream.partition,
                    after=wanted.after,
                    up_to=wanted.up_to,
                    records_max=records_max,
                )
            except OffsetOutOfRange:
                return None
        return Replayed(chunk.records, chunk.reached)

    async def end(self, wanted: Wanted) -> int | None:
        """Where a room's partition ends; None where it is another one now."""
        stream = wanted.stream
        async with self._lock:
            try:
                return await self._log.end(stream.topic, stream.topic_epoch, stream.partition)
            except OffsetOutOfRange:
                return None


class LogActions:
    """Implements `edge.acting.ActionLog`: actions go into ``topic``, in an order that the log keeps for each player."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log = log
        self._topic = topic

    @property
    def problem(self) -> str | None:
        """Why nothing can be appended, where that is known without asking."""
        return self._log.unreachable

    async def append(self, drafts: Sequence[Draft]) -> Appended:
        """Append actions in order."""
        entries = [Entry(draft.key, draft.value, draft.headers, draft.received_ms) for draft in drafts]
        try:
            await self._log.append(self._topic, entries)
        except AppendFailed as error:
            return Appended(error.written, str(error))
        except OperatorError as error:
            return Appended(0, str(error))
        return Appended(len(entries), None)

    async def check(self) -> str | None:
        """Ask whether anything can be appended; why not, or None."""
        try:
            await self._log.check_writable(self._topic)
        except OperatorError as error:
            return str(error)
        return None
