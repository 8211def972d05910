"""The pump: carries what the log tells into the hub and to the verdicts, for as long as the node runs.

It opens and closes nothing: it is handed a log that is open, and an edge, and is run as a task.

Rules:

1. Observers are handed each event of the log before anything is made of it.
2. A record that no event and no verdict can be made of is counted, logged with its place, and passed over.
3. ``caught_up`` is set once each topic was read to where it ended at the start, or is known not to exist.
4. The log is left to wait while `PENDING_BYTES_MAX` are not written out yet.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record
from touchline_server.core.hub import Hub, Skip
from touchline_server.core.log import (
    CaughtUp,
    Log,
    LogEvent,
    OffsetsLost,
    PartitionsAdded,
    Records,
    TopicMissing,
    TopicOpened,
)
from touchline_server.core.verdicts import Verdicts
from touchline_server.edge.server import Edge

PENDING_BYTES_MAX = 16 << 20
"""Of events that were read and not yet written out. Beyond it the log is left to wait: it holds them for nothing."""

SKIPS_LOGGED_PER_SECOND = 20
"""Records that are left out are logged each, but a producer gone wrong must not fill the disk: the rest is counted."""

logger = logging.getLogger("touchline.node")


class Pump:
    """Between one log and one edge. ``verdicts_topic`` is None where nobody is judged; all other topics are feeds'."""

    def __init__(
        self,
        log: Log,
        hub: Hub,
        verdicts: Verdicts,
        edge: Edge,
        *,
        verdicts_topic: str | None,
        observers: Sequence[Callable[[LogEvent], None]],
    ) -> None:
        self.skipped_records = 0
        self.caught_up = asyncio.Event()
        self._log = log
        self._hub = hub
        self._verdicts = verdicts
        self._edge = edge
        self._verdicts_topic = verdicts_topic
        self._observers = observers
        self._feed_topics = frozenset(opened.feed.topic for opened in hub.feeds.values())
        self._waiting = set(self._feed_topics)
        if verdicts_topic is not None:
            self._waiting.add(verdicts_topic)
        self._skips_this_second = (0, 0)

    async def run(self) -> None:
        """Pump until cancelled."""
        while True:
            for event in await self._log.poll():
                for observe in self._observers:
                    observe(event)
                if event.topic == self._verdicts_topic:
                    await self._take_verdicts(event)
                elif event.topic in self._feed_topics:
                    await self._take(event)
            self._edge.turns.flush()
            # The edge's turns, one each time the loop goes around, take it down: there is nothing to be told of sooner.
            while self._hub.pending_bytes > PENDING_BYTES_MAX:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def _take(self, event: LogEvent) -> None:
        match event:
            case Records(topic, partition, records, next_offset):
                self._report(self._hub.ingest(topic, partition, records, next_offset, self._edge.now_ms()))
            case TopicOpened(topic, epoch, starts):
                self._hub.opened(topic, epoch, starts)
                await self._load(topic, starts, self._edge.now_ms())
            case CaughtUp(topic):
                self._hub.caught_up(topic)
                self._need_not_wait(topic)
            case TopicMissing(topic):
                logger.warning("the topic %s does not exist; touchline topics --create makes it", topic)
                self._need_not_wait(topic)
            case PartitionsAdded(topic, starts):
                self._hub.extended(topic, starts)
            case OffsetsLost(topic, partition, start):
                logger.warning("%s[%d]: records before %d were gone before they were read", topic, partition, start)
                self._hub.jumped(topic, partition, start)

    async def _load(self, topic: str, starts: Mapping[int, int], now_ms: int) -> None:
        """Take over the rooms' state from before the window, where the log keeps it."""
        for partition, start in starts.items():
            for room in await self._log.snapshot(topic, partition, start) or ():
                self._report(self._hub.load(topic, partition, room.room_id, room.head, room.state, now_ms))

    async def _take_verdicts(self, event: LogEvent) -> None:
        match event:
            case Records(topic, partition, records, _):
                for record in records:
                    self._judge(topic, partition, record)
            case TopicOpened(topic, _, starts):
                self._verdicts.clear()
                for partition, start in starts.items():
                    for player in await self._log.snapshot(topic, partition, start) or ():
                        for record in player.state:
                            self._judge(topic, partition, record)
            case CaughtUp(topic):
                self._need_not_wait(topic)
            case TopicMissing(topic):
                logger.warning("the topic %s does not exist, so no verdict counts: touchline topics --create", topic)
                self._verdicts.clear()
                self._need_not_wait(topic)

    def _judge(self, topic: str, partition: int, record: Record) -> None:
        try:
            judged = self._verdicts.take(record, self._edge.wall_ms())
        except BadRecord as error:
            self._report([Skip(topic, partition, record.offset, error.reason, str(error))])
            return
        if judged is not None:
            self._edge.judge(*judged)

    def _need_not_wait(self, topic: str) -> None:
        self._waiting.discard(topic)
        if not self._waiting:
            self.caught_up.set()

    def _report(self, skips: Sequence[Skip]) -> None:
        """Count and log records that were left out."""
        for skip in skips:
            self.skipped_records += 1
            second = int(time.monotonic())
            logged = self._skips_this_second[1] if self._skips_this_second[0] == second else 0
            self._skips_this_second = (second, logged + 1)
            if logged < SKIPS_LOGGED_PER_SECOND:
                place = f"{skip.topic}[{skip.partition}]@{skip.offset}"
                logger.warning(
                    "%s left out, %s: %s (%d so far)", place, skip.reason, skip.message, self.skipped_records
                )
