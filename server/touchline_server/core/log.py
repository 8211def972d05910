"""The log: what Touchline needs of the system that holds the truth.

Two implementations, `kafka.KafkaLog` and `sqlite.SqliteLog`, are held to one contract suite (`tests/log/contract.py`).

Rules that each implementation keeps:

1. Within a partition records come in the order of their offsets, each once, and only committed ones. Offsets rise but
   need not be dense (compaction, transactions, retention).
2. All records of one key are in one partition, until partitions are added.
3. An outside failure never raises out of `Log.poll`: it shows in `Log.problems`, is retried with backoff, and reading
   continues where it stopped. Nothing is skipped silently: `OffsetsLost` reports a jump.
4. A topic that is not the same log any more (deleted and made anew, another cluster) has another epoch. No record of
   the new log is handed out before the `TopicOpened` that says so. An epoch holds no dot.
5. `Log.append` returns once the records are durable, and only then.
6. `Log.poll` and `Log.read` may run at the same time; each has one caller at a time.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from touchline_protocol.errors import LogUnavailable, OperatorError
from touchline_protocol.records import Record


class TopicOpened(NamedTuple):
    """A topic is read from now on, or is not the log it was: forget what came from it before.

    ``starts`` has each partition's first offset that can follow in `Records`: everything from there on is handed out.
    """

    topic: str
    epoch: str
    starts: Mapping[int, int]


class PartitionsAdded(NamedTuple):
    """Partitions were added to a topic; they are read from their beginning."""

    topic: str
    starts: Mapping[int, int]


class Records(NamedTuple):
    """Records of one partition, in order. ``next_offset`` is where the next `Records` of it goes on."""

    topic: str
    partition: int
    records: Sequence[Record]
    next_offset: int


class OffsetsLost(NamedTuple):
    """Records were gone before they were read (retention overtook the reader): it goes on at ``start``."""

    topic: str
    partition: int
    start: int


class CaughtUp(NamedTuple):
    """All that was in the topic when it was `TopicOpened` has been handed out. Comes once after each `TopicOpened`."""

    topic: str


class TopicMissing(NamedTuple):
    """The topic does not exist, or not any more. When it is there (again), `TopicOpened` follows."""

    topic: str


LogEvent: TypeAlias = TopicOpened | PartitionsAdded | Records | OffsetsLost | CaughtUp | TopicMissing


class Entry(NamedTuple):
    """A record to append. ``timestamp`` is Unix milliseconds; None is now."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int | None = None


class Position(NamedTuple):
    """Where a record is."""

    partition: int
    offset: int


class Chunk(NamedTuple):
    """What `Log.read` found: all records with ``after < offset <= reached`` that it was asked for."""

    records: Sequence[Record]
    reached: int


class OffsetOutOfRange(LookupError):
    """A read of offsets that the log does not hold any more, or not yet, or in another epoch."""


class UnknownTopic(OperatorError):
    """A topic that the log does not have; the message says how to make it."""


class AppendFailed(LogUnavailable):
    """Not all records could be appended. The first ``written`` of them are in the log, in order; for the rest that is
    not certain."""

    def __init__(self, message: str, written: int = 0) -> None:
        super().__init__(message)
        self.written = written


NOT_COMPACTED = "not compacted: verdicts are lost with time, bans too; set its cleanup.policy to compact alone"
"""What is said of a topic of verdicts that `Log.deletes_old`."""


class Log(Protocol):
    """A partitioned, durable log of records."""

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong now, in words for an operator, by what it concerns (a topic, a broker). Empty if nothing."""

    @property
    def unreachable(self) -> str | None:
        """Why the log as a whole does not answer now, in words; None where it does, as far as is known."""

    def partition_of(self, key: bytes, partitions: int) -> int:
        """The partition, of so many, that this log's producers put a key in, as far as one can know."""

    async def open(self, topics: Sequence[str], *, since_ms: int, from_start: Collection[str] = ()) -> None:
        """Connect, and get ready to poll ``topics`` from the records of ``since_ms`` (Unix milliseconds) on.

        Those of them that are in ``from_start`` are read from their first record on.

        A topic that does not exist is not an error: `TopicMissing` reports it. Without topics, the log is for `append`
        alone.

        Raises:
            OperatorError: the address is wrong, or nothing answers there within the connect time.
        """

    async def poll(self) -> list[LogEvent]:
        """Wait for the next things to happen, at most about a second; may be empty. Safe to cancel."""

    async def read(self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int) -> Chunk:
        """Read old records for a catch-up, beside `poll` and without disturbing it.

        Returns at most ``records_max`` records with ``after < offset <= up_to``. ``reached`` is > ``after`` unless
        ``after >= up_to``, and is ``up_to`` when there is nothing more to read.

        Raises:
            OffsetOutOfRange: the log does not hold ``after + 1`` any more, or the epoch is another.
            LogUnavailable: the log did not answer.
        """

    async def end(self, topic: str, epoch: str, partition: int) -> int:
        """The offset that the next record of a partition will have.

        Raises:
            OffsetOutOfRange: the epoch is another.
            LogUnavailable: the log did not answer.
        """

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        """Append records in order, and return where they are once they are durable.

        Raises:
            UnknownTopic: there is no such topic.
            AppendFailed: the log did not take them all.
        """

    async def check_writable(self, topic: str) -> None:
        """Find out whether records can be appended to a topic now, without appending any.

        Raises:
            UnknownTopic: there is no such topic.
            LogUnavailable: nothing can be appended.
        """

    async def create_topics(
        self, topics: Sequence[str], *, partitions: int, replication: int, compacted: Collection[str] = ()
    ) -> list[str]:
        """Make the topics that do not exist yet; returns the names of those that were made.

        Of those in ``compacted`` only the newest record of each key has to be kept.

        Raises:
            OperatorError: a topic could not be made; the message says why.
        """

    async def deletes_old(self, topic: str) -> bool:
        """Whether the newest record of a key is removed after a time; False too where the log does not say."""

    async def close(self) -> None:
        """Let go of everything. Appends under way are finished first. May be called twice, and after a failed open."""
