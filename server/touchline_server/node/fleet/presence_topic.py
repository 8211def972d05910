"""Writes the records of presence to their topic: from the outbox to the log, in order, until the log has them.

Rules:

1. A record leaves the outbox when the log has it, or refuses it for good. So it may be written twice, and readers skip
   those whose ``seq`` they have seen (`touchline_protocol.presence.records`).
2. Nothing waits for the topic: not an exchange, and not a client.
3. While the log does not take records, they are left to other workers, whose way to the log may be better.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from touchline_protocol.errors import LogUnavailable, RecordsRefused, StoreRefused, StoreUnavailable, TopicRefused
from touchline_protocol.presence.records import KIND_HEADER, encode_presence
from touchline_server.config.presence import PresenceSettings
from touchline_server.core.log import AppendFailed, Entry, Log, UnknownTopic
from touchline_server.core.presence.outbox import Outbox, Waiting

RETRY_S = 2.0
"""The time between two attempts while the log or Redis is away."""
LAST_S_MAX = 5.0
"""How long a stop waits for the last records. The others are written by other workers."""

logger = structlog.get_logger("touchline.node")


class PresenceTopic:
    """Empties ``outbox`` into the topic of ``settings``. ``problem`` is why the newest attempt failed."""

    def __init__(self, outbox: Outbox, log: Log, settings: PresenceSettings) -> None:
        self.problem: str | None = None
        self.outbox_problem: str | None = None
        """Why the outbox could not be read; then that is the ``problem``."""
        self.topic = settings.topic
        self._outbox = outbox
        self._log = log
        self._interval_s = settings.interval_s
        self._written: Sequence[Waiting] = ()
        """Records that are in the log, while the outbox has not been told yet."""
        self._is_checked = False
        self._stopping = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        """What writes. It ends only with `stop`, or by a mistake of ours."""

    def start(self) -> None:
        """Begin to write."""
        self.task = asyncio.create_task(self._run(), name="presence-topic")

    async def stop(self) -> None:
        """Write what is waiting, and leave the rest to others. To be called after the last report."""
        self._stopping.set()
        if self.task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_S_MAX):
                await asyncio.shield(self.task)
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _run(self) -> None:
        while True:
            is_last = self._stopping.is_set()
            is_empty = await self._drain()
            if is_last and (is_empty or self.problem is not None):
                break
            if is_empty or self.problem is not None:
                await self._pause(self._interval_s if self.problem is None else RETRY_S)

    async def _drain(self) -> bool:
        """Write the next records. Returns whether there were none."""
        try:
            taken = await self._outbox.take(self._written)
            self._written = ()
            self.outbox_problem = None
            if taken.dropped:
                logger.warning("presence_records_dropped", topic=self.topic, count=taken.dropped)
            if taken.waiting:
                self._written = taken.waiting[: await self._append(taken.waiting)]
            elif self.problem is not None or not self._is_checked:
                self.problem = await self._why_not_writable()
                self._is_checked = True
            if len(self._written) < len(taken.waiting):
                await self._outbox.leave(self._written)
                self._written = ()
            elif taken.waiting:
                self.problem = None
        except (StoreUnavailable, StoreRefused) as error:
            self.problem = self.outbox_problem = str(error)
            return True
        return not taken.waiting

    async def _append(self, waiting: Sequence[Waiting]) -> int:
        """Append records; returns how many of them are done with."""
        entries = [
            Entry(
                record.room.encode(),
                encode_presence(record),
                [(KIND_HEADER, record.kind.encode())],
                timestamp=record.time_ms,
            )
            for _, record in waiting
        ]
        try:
            await self._log.append(self.topic, entries)
        except RecordsRefused as error:
            first = min(error.refused)
            logger.warning("presence_record_refused", topic=self.topic, why=error.refused[first].why)
            return max(error.written, first + 1)
        except (AppendFailed, TopicRefused) as error:
            self.problem = f"records of presence wait: {error}"
            return error.written
        except (UnknownTopic, LogUnavailable) as error:
            self.problem = f"records of presence wait: {error}"
            return 0
        return len(entries)

    async def _why_not_writable(self) -> str | None:
        """What keeps the log from taking records. An operator should not have to wait for the first one to know."""
        try:
            await self._log.check_writable(self.topic)
        except (UnknownTopic, TopicRefused, LogUnavailable) as error:
            return f"presence cannot be recorded: {error}"
        return None

    async def _pause(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), wait_s)
