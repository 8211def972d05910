"""Carries what the log reports into the edge's core, for as long as the node runs.

It opens and closes nothing: it is given a log that is open and an edge, and is run as a task.

Rules:

1. Observers get each log event before the core does.
2. A record that is neither an event nor a verdict is counted, logged with its position, and skipped.
3. ``caught_up`` is set once each topic was read to where it ended at the start, or is known not to exist.
4. Problems, the log's above all, are logged when they begin and when they end.
5. Nothing is read while `PENDING_BYTES_MAX` are not written out yet.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from touchline_server.core.log import Log, LogEvent, OffsetsLost, ReadRefused, TopicMissing, Truncated
from touchline_server.edge.server import EdgeServer
from touchline_server.server_log.problem_log import ProblemLog

from .skip_log import SkipLog

PENDING_BYTES_MAX = 16 << 20
"""The most that may be read and not written out yet. Beyond it the log has to wait: it holds events at no cost."""

CREATE = "touchline topics --create, with the server's own --log and --config, creates it"

logger = structlog.get_logger("touchline.node")


class Ingest:
    """Between one log and one edge. Topics that the core does not know are for the observers alone."""

    def __init__(
        self,
        log: Log,
        edge: EdgeServer,
        skips: SkipLog,
        *,
        topics: frozenset[str],
        observers: Sequence[Callable[[LogEvent], None]],
        problems: Callable[[], Mapping[str, str]],
    ) -> None:
        self.caught_up = asyncio.Event()
        self._log = log
        self._edge = edge
        self._skips = skips
        self._topics = topics
        self._observers = observers
        self._problems = problems
        self._problem_log = ProblemLog()

    async def run(self) -> None:
        """Carry events until cancelled."""
        core, driver = self._edge.core, self._edge.driver
        while True:
            for event in await self._log.poll():
                for observe in self._observers:
                    observe(event)
                if event.topic in self._topics:
                    self._take(event)
            driver.flush()
            self._problem_log.report(self._problems())
            if core.has_read_log:
                self.caught_up.set()
            # The edge's turns, one each time the loop goes around, work it off: there is no event to await instead.
            while core.pending_bytes > PENDING_BYTES_MAX:  # noqa: ASYNC110
                await asyncio.sleep(0)

    def _take(self, event: LogEvent) -> None:
        match event:
            case TopicMissing(topic):
                logger.warning("topic_missing", topic=topic, cure=CREATE)
            case ReadRefused(topic, why):
                logger.warning("topic_read_refused", topic=topic, why=why)
            case OffsetsLost(topic, partition, start):
                logger.warning("records_lost", topic=topic, partition=partition, before_offset=start)
            case Truncated(topic, partition, start):
                # All clients in the partition's rooms start over.
                logger.warning("log_truncated", topic=topic, partition=partition, end_offset=start)
        driver = self._edge.driver
        outcome = self._edge.core.log_event(event, driver.now())
        self._skips.report(outcome.skips)
        if outcome.effects:
            driver.perform(outcome.effects)
