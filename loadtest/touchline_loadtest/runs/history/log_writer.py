"""Writes what the log holds, as a witness reads it: of each topic, its generations and their partitions."""

from pathlib import Path

from touchline_loadtest.checks.actions import LoggedAction, Verdict
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import TopicFacts
from touchline_loadtest.clock import now_ms
from touchline_loadtest.runs.files import LOG

from .block_file import BlockWriter
from .blocks import LogBlock


class LogWriter(BlockWriter):
    """Appends to ``log/`` of a run folder. One process of a run does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / LOG)
        self._records: dict[LogId, list[tuple[str, Entry]]] = {}
        self._block = LogBlock(now_ms())

    def topic(self, name: str, facts: TopicFacts) -> None:
        """What the run does to a topic, and what its server promises about it. The last call counts."""
        self._block.topics[name] = facts
        self._count()

    def append(self, log: LogId, room: str, entry: Entry) -> None:
        """A record of a room. Those of a partition come in the order of offsets.

        A witness that reads a partition again, or reads other records at offsets that it has read before, after the log
        was cut back, appends what it finds.
        """
        self._records.setdefault(log, []).append((room, entry))
        self._count()

    def start(self, log: LogId, offset: int) -> None:
        """A partition begins at ``offset`` now. Call this twice a minute if the run, or retention, deletes records."""
        self._block.starts.append((log, now_ms(), offset))
        self._count()

    def action(self, action: LoggedAction) -> None:
        """A record of the log of actions. Those of a partition come in the order of offsets."""
        self._block.actions.append(action)
        self._count()

    def verdict(self, verdict: Verdict) -> None:
        """A verdict is in the log."""
        self._block.verdicts.append(verdict)
        self._count()

    def _take_block(self) -> LogBlock:
        block, self._block = self._block, LogBlock(now_ms())
        block.records = [*self._records.items()]
        self._records = {}
        return block
