"""The log: the interface to the system that holds the truth.

Both implementations, `KafkaLog` and `SqliteLog`, pass one contract suite (`tests/log/contract.py`).

Rules for every implementation:

1. Within a partition, committed records are returned in the order of their offsets, each exactly once. Offsets rise but
   need not be dense (compaction, transactions, retention).
2. All records with one key are in one partition, until partitions are added.
3. Outside failures never raise out of `Log.poll`: they appear in `Log.problems` and are retried with backoff, and
   reading continues where it stopped. No records are skipped silently: `OffsetsLost` reports every gap. No record
   that the log has lost again stays in silence either: `Truncated` reports it, or `TopicOpened` for a topic that is
   read from its start.
4. A topic that is no longer the same log (deleted and recreated, or in another cluster) has a new epoch. No record of
   the new log is returned before the `TopicOpened` that announces it. An epoch contains no dot.
5. `Log.append` returns when the records are durable, and not earlier.
6. `Log.poll` and `Log.read` may run at the same time; each has one caller at a time.
7. A log without a room store reads back what it is asked to (`ReadBack`): newest first, so whatever has been received
   of it at any time is right, and only incomplete. `HistoryBegan` follows its `TopicOpened` (or whatever else makes a
   partition's state unknown) at once, and `HistoryRead` always ends it, unless another event of the topic does.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeAlias

from touchline_protocol.errors import LogUnavailable, OperatorError, RecordRefusal
from touchline_protocol.records import Record


class TopicOpened(NamedTuple):
    """A topic is read from now on, or is a different log from now on: discard everything received from it before.

    ``starts`` maps each partition to the first offset that `Records` may contain; no record from there on is omitted.
    ``offline`` are its other partitions, which nobody can read at the moment: `PartitionOpened` follows for each.
    """

    topic: str
    epoch: str
    starts: Mapping[int, int]
    offline: Collection[int] = ()


class PartitionOpened(NamedTuple):
    """A partition that was ``offline`` when its topic was opened is read from now on, like those in ``starts``."""

    topic: str
    partition: int
    start: int


class PartitionCaughtUp(NamedTuple):
    """Every record that was in a partition at its `PartitionOpened` has been returned."""

    topic: str
    partition: int


class PartitionsAdded(NamedTuple):
    """Partitions were added to a topic. They are read from their beginning."""

    topic: str
    starts: Mapping[int, int]


class Records(NamedTuple):
    """Records of one partition, in order. The partition's next `Records` continue at ``next_offset``."""

    topic: str
    partition: int
    records: Sequence[Record]
    next_offset: int


class TermBegan(NamedTuple):
    """The records from ``start`` on are of ``term``, a later reign of the partition's leader; see `core.terms`.

    It comes before those records. It also comes right after `TopicOpened` if no record will tell the present term.
    A log without terms reports none; all of its records are of term 0.
    """

    topic: str
    partition: int
    start: int
    term: int


class Truncated(NamedTuple):
    """The log was cut back: what was received from ``start`` on is not in it any more. Reading continues at ``start``.

    ``term`` is that of the newest record that was kept.
    """

    topic: str
    partition: int
    start: int
    term: int


class OffsetsLost(NamedTuple):
    """Records were removed before they were read (retention overtook the reader), or are damaged for good.

    Reading continues at ``start``.
    """

    topic: str
    partition: int
    start: int


class HistoryBegan(NamedTuple):
    """A partition is read back for its rooms' state, from where its `Records` begin. Until `HistoryRead`, that state is
    not known."""

    topic: str
    partition: int


class History(NamedTuple):
    """Older records of one partition, in order, for its rooms' state alone: never for the window.

    They are all that the log has from ``first`` up to the oldest received before, so each `History` is older than the
    one before it.
    """

    topic: str
    partition: int
    records: Sequence[Record]
    first: int


NOTHING_READ_MS = 1 << 62
"""`HistoryRead.since_ms` if nothing was read: later than all times of records."""


class HistoryRead(NamedTuple):
    """A partition is not read back any further. ``complete``: the log has no older records.

    ``since_ms``: all its records of this time (Unix milliseconds) or later were read; 0 if it is complete.
    """

    topic: str
    partition: int
    complete: bool
    since_ms: int


class CaughtUp(NamedTuple):
    """Every record that was in the topic at its `TopicOpened` has been returned, except for ``offline`` partitions, and
    its state has been read back.

    Comes once per `TopicOpened`.
    """

    topic: str


class TopicMissing(NamedTuple):
    """The topic does not exist (any more). `TopicOpened` follows as soon as it does."""

    topic: str


class ReadRefused(NamedTuple):
    """The log does not let this server read the topic, described for an operator. Nothing is known of its records.

    `TopicOpened` follows as soon as it does.
    """

    topic: str
    why: str


LogEvent: TypeAlias = (
    TopicOpened
    | PartitionOpened
    | PartitionsAdded
    | TermBegan
    | Records
    | OffsetsLost
    | Truncated
    | HistoryBegan
    | History
    | HistoryRead
    | PartitionCaughtUp
    | CaughtUp
    | TopicMissing
    | ReadRefused
)


class ReadBack(NamedTuple):
    """How far topics are read back for their rooms' state: to records of ``since_ms`` (Unix milliseconds), at most
    ``records_max`` of each topic, and for ``s_max`` seconds."""

    topics: Collection[str]
    since_ms: int
    records_max: int
    s_max: float


class Entry(NamedTuple):
    """A record to append. ``timestamp`` is Unix milliseconds; None means now."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int | None = None


class Position(NamedTuple):
    """The position of a record in its topic."""

    partition: int
    offset: int


class Chunk(NamedTuple):
    """The result of `Log.read`: all records with ``after < offset <= reached``.

    ``terms`` has the terms of these records, each with its first offset; it is empty if the log has no terms.
    """

    records: Sequence[Record]
    reached: int
    terms: Sequence[tuple[int, int]] = ()


NO_TERM = -1
"""In place of a term: nothing is to be checked."""


class OffsetOutOfRange(LookupError):
    """The log does not hold the requested offsets: they were removed, do not exist yet, or belong to another epoch."""


class UnknownTopic(OperatorError):
    """The log has no such topic. The message says how to create it."""


class AppendFailed(LogUnavailable):
    """Not all records could be appended. The first ``written`` of them are in the log, in order, except those in
    ``refused``, which never will be; the others may or may not be."""

    def __init__(
        self, message: str, written: int = 0, refused: Mapping[int, RecordRefusal] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.written = written
        self.refused = refused


class TopicOptions(NamedTuple):
    """What a log says of a topic.

    ``deletes_old``: whether it eventually removes even the newest record of a key; False if the log does not say.
    ``record_bytes_max``: the largest record that it takes, key and headers included; None if the log does not say.
    """

    deletes_old: bool = False
    record_bytes_max: int | None = None


class PartitionProgress(NamedTuple):
    """How far a partition was read: ``lag`` is how many of its offsets were not, as of the newest answer about it.

    That came ``answer_age_s`` ago.
    """

    lag: int
    answer_age_s: float


class Log(Protocol):
    """A partitioned, durable log of records."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Current problems, described for an operator, by subject (a topic, a broker). Empty if there are none."""

    @property
    def progress(self) -> Mapping[str, str]:
        """What is under way that takes its time, described for an operator, by subject. Empty if nothing is."""

    @property
    def partitions(self) -> Mapping[tuple[str, int], PartitionProgress]:
        """How far each partition was read, by topic and number. Empty if nothing can be behind."""

    @property
    def unread_bytes(self) -> int:
        """The size of the records that were read ahead, and that `poll` has not returned yet."""

    @property
    def unreachable(self) -> str | None:
        """Why the log as a whole does not answer, described for an operator. None if it answers, as far as is known."""

    def partition_of(self, key: bytes, partitions: int) -> int:
        """The partition, out of ``partitions``, that producers are expected to choose for a key."""

    async def open(
        self,
        topics: Sequence[str],
        *,
        since_ms: int,
        from_start: Collection[str] = (),
        read_back: ReadBack | None = None,
    ) -> None:
        """Connect, and prepare to poll ``topics``, starting with the records from ``since_ms`` (Unix milliseconds).

        The topics that are also in ``from_start`` are read from their first record. A log that is a `RoomStore` has no
        use for ``read_back``.

        A topic that does not exist or may not be read is not an error: `TopicMissing` and `ReadRefused` report it.
        Without topics, the log only serves `append`.

        Raises:
            OperatorError: the address is wrong, or nothing answers there within the connect timeout.
        """

    async def poll(self) -> list[LogEvent]:
        """Wait for the next events, at most for about a second. May return none. Safe to cancel."""

    async def read(
        self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int, term: int = NO_TERM
    ) -> Chunk:
        """Read old records for a catch-up, concurrently with `poll` and without affecting it.

        ``term`` is the term of the cursor ``after``. The log checks that it still holds what such a cursor has seen.

        Returns at most ``records_max`` records with ``after < offset <= up_to``. ``reached`` is greater than ``after``
        unless ``after >= up_to``, and equals ``up_to`` if there is nothing more to read.

        Raises:
            OffsetOutOfRange: the log no longer holds ``after + 1`` or what came before it, or the topic has another
                epoch.
            LogUnavailable: the log did not answer.
        """

    async def end(self, topic: str, epoch: str, partition: int, *, term: int = NO_TERM) -> int:
        """The offset that the next record of a partition will have.

        With a ``term``, the offset that follows the last record of it, or 0 if the log has none of that term.

        Raises:
            OffsetOutOfRange: the topic has another epoch.
            LogUnavailable: the log did not answer.
        """

    async def find_offset(self, topic: str, epoch: str, partition: int, *, since_ms: int) -> int | None:
        """The offset of the first record that is of ``since_ms`` (Unix milliseconds) or later; the partition's end if
        there is none.

        Timestamps need not rise within a partition: older records may follow, but no newer ones come before. None if
        the log cannot tell whether it has all records since then: it holds no older record, or gives records
        timestamps of its own.

        Raises:
            OffsetOutOfRange: the topic has another epoch.
            LogUnavailable: the log did not answer.
        """

    async def append(self, topic: str, entries: Sequence[Entry], *, independent: bool = False) -> list[Position]:
        """Append records in order, and return their positions once they are durable.

        If the log refuses one of them, those after it with the same key are not appended. If the records are
        ``independent``, they are, and at once.

        Raises:
            UnknownTopic: there is no such topic.
            RecordsRefused: the log refuses some of them for good; see there for the others.
            TopicRefused: the log takes no records for this topic until an operator acts.
            AppendFailed: the log did not accept all of them; trying again may succeed.
        """

    async def check_writable(self, topic: str) -> None:
        """Check that records can be appended to a topic right now, without appending any.

        Raises:
            UnknownTopic: there is no such topic.
            TopicRefused: the log takes no records for this topic until an operator acts.
            LogUnavailable: nothing can be appended.
        """

    async def create_topics(
        self, topics: Sequence[str], *, partitions: int, replication: int | None, compacted: Collection[str] = ()
    ) -> list[str]:
        """Create the topics that do not exist yet, and return the names of those that were created.

        Topics in ``compacted`` only need to keep the newest record of each key. Without a ``replication`` the log
        decides how many copies it keeps.

        Raises:
            OperatorError: a topic could not be created; the message says why.
        """

    async def topic_options(self, topics: Collection[str]) -> Mapping[str, TopicOptions]:
        """How the topics are configured. Topics that do not exist have options that say nothing."""

    async def close(self) -> None:
        """Finish the appends in progress, then release all resources. May be called twice, and after a failed open."""
