"""The topics that are being read, and how far: what the fetchers, the watcher and the queue share.

Rules: the watcher alone opens topics and moves a partition backwards or over a gap; a fetcher moves it on over what it
fetched, and the queue moves it back to batches that could not be decoded.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, EpochEnd, EpochEntry, LeaderEpochs
from touchline_kafka.topics import NO_LEADER, Topic
from touchline_kafka.wire import FetchPosition, TopicPartitionId
from touchline_server.core.log import PartitionProgress

from .damage import Damage

REFUSED_WAIT_S = 0.1
"""How long a partition whose fetch was refused is left out, while the watcher learns more."""


class Bounds(NamedTuple):
    """Where a partition is read from, and where it ends when it is opened.

    ``last`` is the leader epoch of its newest record; only known if there is nothing to read that would tell.
    """

    start: int
    end: int
    last: EpochEntry | None = None


class Partition:
    """One partition being read: ``position`` is the next offset to fetch.

    Once it has reached ``target``, everything is fetched that was there when it was opened: with its topic, or
    ``late``. Before ``held_until`` (of `time.monotonic`) it is not fetched.

    ``epochs`` has the leader epochs of the fetched batches; ``diverging`` is set if a broker's log departs from them.
    ``term`` is the epoch of the newest records that were handed out. ``end`` is where its newest answer said that it
    ends, at ``answered_s``.
    """

    __slots__ = (
        "answered_s",
        "damage",
        "diverging",
        "end",
        "epochs",
        "held_until",
        "index",
        "late",
        "position",
        "target",
        "term",
        "topic",
    )

    def __init__(self, topic: "OpenTopic", index: int, bounds: Bounds, *, late: bool = False) -> None:
        self.topic = topic
        self.index = index
        self.position, self.target, last = bounds
        self.end = self.target
        self.answered_s = time.monotonic()
        self.late = late
        self.held_until = 0.0
        self.damage = Damage()
        self.epochs = LeaderEpochs(*([] if last is None else [last]))
        self.diverging: EpochEnd | None = None
        self.term: int | None = None

    @property
    def fetch_position(self) -> FetchPosition:
        """Where to fetch from, with the newest leader epoch that is known, and the epoch of what was read before."""
        last = self.epochs.before(self.position)
        leader_epoch = self.topic.known.leader_epochs[self.index]
        return FetchPosition(self.position, leader_epoch, UNKNOWN_EPOCH if last is None else last.epoch)

    @property
    def place(self) -> TopicPartitionId:
        """What a fetch calls it."""
        return self.topic.known.topic_id, self.index

    @property
    def problem(self) -> str:
        """The key of its problems in `Log.problems`."""
        return f"{self.topic.name}/{self.index}"


class OpenTopic:
    """One topic being read, from `TopicOpened` to the next `TopicOpened` or `TopicMissing`.

    ``known`` is how brokers last described it. Partitions are read from the records of ``since_ms`` on; those that have
    no ``bounds`` are ``offline``, and opened later. ``reading_back`` has those whose older records are read for state,
    and are not all handed out yet.
    """

    __slots__ = (
        "behind",
        "caught_up",
        "known",
        "late_behind",
        "offline",
        "offline_held_until",
        "partitions",
        "reading_back",
        "since_ms",
    )

    def __init__(self, known: Topic, bounds: Mapping[int, Bounds], since_ms: int) -> None:
        self.known = known
        self.since_ms = since_ms
        self.partitions = {index: Partition(self, index, each) for index, each in bounds.items()}
        self.offline = known.leaders.keys() - bounds.keys()
        self.offline_held_until = 0.0
        self.behind = {index for index, each in bounds.items() if each.start < each.end}
        """Partitions that held records when the topic was opened which are not handed out yet."""
        self.late_behind: set[int] = set()
        """The same of partitions that were opened late."""
        self.reading_back: set[int] = set()
        self.caught_up = False
        """Whether `CaughtUp` is queued or handed out."""

    @property
    def name(self) -> str:
        """The topic's name."""
        return self.known.name

    def open_late(self, index: int, bounds: Bounds) -> Partition:
        """Read a partition from now on that was offline."""
        self.offline.discard(index)
        if bounds.start < bounds.end:
            self.late_behind.add(index)
        partition = self.partitions[index] = Partition(self, index, bounds, late=True)
        return partition


class OpenTopics:
    """The topics of one live reader, by name; None for those that do not exist.

    ``problems`` is `Log.problems`; ``lost`` has the end of the last records that were given up as damaged, by epoch and
    partition.
    """

    def __init__(self, names: Sequence[str], problems: dict[str, str], lost: dict[tuple[str, int], int]) -> None:
        self.lost = lost
        self.by_name: dict[str, OpenTopic | None] = dict.fromkeys(names)
        self.problems = problems
        self.overtaken: list[Partition] = []
        """Partitions whose offset the log does not hold, or not any more: the watcher moves them."""
        self.check_wanted = asyncio.Event()
        """Set to have the watcher check the topics at once."""

    def led(self) -> list[tuple[Partition, int]]:
        """The partitions that have a leader, and which broker that is."""
        return [
            (partition, leader)
            for topic in self.by_name.values()
            if topic
            for partition in topic.partitions.values()
            if (leader := topic.known.leaders.get(partition.index, NO_LEADER)) != NO_LEADER
        ]

    def progress(self, now_s: float) -> dict[tuple[str, int], PartitionProgress]:
        """See `core.log.Log.partitions`. ``now_s`` is by the clock of `Partition.held_until`."""
        topics = [topic for topic in self.by_name.values() if topic]
        return {
            (topic.name, index): PartitionProgress(max(0, each.end - each.position), now_s - each.answered_s)
            for topic in topics
            for index, each in topic.partitions.items()
        }

    def given_up(self) -> list[Partition]:
        """The partitions that have waited long enough for damaged records to be repaired."""
        topics = [topic for topic in self.by_name.values() if topic]
        return [
            partition for topic in topics for partition in topic.partitions.values() if partition.damage.is_given_up
        ]

    def is_open(self, partition: Partition) -> bool:
        """Whether the partition is still being read. Its topic may have been opened again while a request was out."""
        return self.by_name.get(partition.topic.name) is partition.topic
