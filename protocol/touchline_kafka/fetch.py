"""Fetching records by topic id, offsets by time, and ends of leader epochs.

aiokafka's consumer fetches by name, so it reads on from a topic that was deleted and created again as if nothing had
happened. A fetch by topic id (`wire.FetchRequest`) is answered from that very log or with an error, and needs no look
at the metadata before each batch, which would cost a round trip. `decoding` makes records of what comes back.
"""

import asyncio
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import LeaderNotAvailableError
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.structs import TopicPartition

from .client import Client
from .decoding import CommittedRecords, epochs_in, next_offset
from .error_codes import OFFSET_OUT_OF_RANGE
from .errors import error_of
from .leader_epochs import UNKNOWN_EPOCH, EpochEnd, EpochEntry
from .metadata.read_replicas import NO_REPLICA
from .topics import NO_LEADER, Topic
from .wire import CONSUMER, FetchPosition, FetchRequest, OffsetForLeaderEpochRequest, TopicPartitionId

_DIVERGING_EPOCH = 0
"""The tag of a partition's field in a fetch response."""
_EPOCH_END = struct.Struct(">iq")

EARLIEST = -2
LATEST = -1
"""In place of a time: the first offset there is, and the last stable one (the end as a committed reader sees it)."""


class Fetched(NamedTuple):
    """A broker's answer for one partition. ``data`` holds whole record batches, and perhaps a part of one more.

    ``diverging``: the log departs from what was read before, at the latest where this epoch ends.
    ``preferred_replica``: the broker to fetch from instead, or `NO_REPLICA`; then there is nothing else in the answer.
    """

    topic_id: bytes
    partition: int
    error: int
    last_stable_offset: int
    aborted: Sequence[tuple[int, int]]
    data: bytes
    diverging: EpochEnd | None = None
    preferred_replica: int = NO_REPLICA

    def next_offset(self, offset: int) -> int:
        """Where to continue after this answer to a fetch at ``offset``; found in the batches' headers alone.

        Raises:
            KafkaError: the data is damaged.
        """
        return next_offset(self.data, offset)

    def records(self, topic: str, offset: int) -> CommittedRecords:
        """An iterator of the committed records from ``offset`` on; see `CommittedRecords`."""
        return CommittedRecords(TopicPartition(topic, self.partition), self.data, self.aborted, offset)


async def fetch(
    client: Client,
    node: int,
    positions: Mapping[TopicPartitionId, FetchPosition],
    *,
    wait_ms: int,
    bytes_max: int,
    partition_bytes_max: int,
    rack: str = "",
) -> list[Fetched]:
    """Fetch from the positions on. Where there is nothing yet, the broker waits ``wait_ms`` for it.

    A leader may answer a client in a ``rack`` with a `Fetched.preferred_replica`.

    The first batch comes whole even if it is larger than the limits (KIP-74).

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer.
    """
    response = await client.send(node, FetchRequest(positions, wait_ms, bytes_max, partition_bytes_max, rack))
    if response.error_code:
        raise error_of(response.error_code)
    return [
        Fetched(
            topic_id,
            partition,
            error,
            stable,
            [pair[:2] for pair in aborted or ()],
            data or b"",
            _diverging(tags),
            preferred_replica,
        )
        for topic_id, partitions, _ in response.topics
        for partition, error, _, stable, _, aborted, preferred_replica, data, tags in partitions
    ]


def _diverging(tags: Mapping[int, bytes]) -> EpochEnd | None:
    field = tags.get(_DIVERGING_EPOCH)
    return None if field is None else EpochEnd(*_EPOCH_END.unpack_from(field))


async def list_offsets(client: Client, topic: Topic, partitions: Iterable[int], time_ms: int) -> dict[int, int]:
    """The first offset of each partition whose record is of ``time_ms`` or later; or of `EARLIEST`, `LATEST`.

    Partitions without such a record are left out. Kafka is asked by the topic's name here, so an answer counts only if
    a fetch by the topic's id succeeds at it.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer for one of the partitions.
    """
    asked: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for partition in partitions:
        asked[topic.leaders.get(partition, NO_LEADER)].append((partition, time_ms))
    if NO_LEADER in asked:
        raise LeaderNotAvailableError(f"partition {asked[NO_LEADER][0][0]} of {topic.name} has no leader")
    offsets: dict[int, int] = {}
    for node, wanted in asked.items():
        response = await client.send(node, OffsetRequest(CONSUMER, READ_COMMITTED, [(topic.name, wanted)]))
        for _, answers in response.topics:
            for partition, error, _, offset, *_ in answers:
                if error:
                    raise error_of(error)
                if offset >= 0:
                    offsets[partition] = offset
    return offsets


async def last_epochs(client: Client, topic: Topic, offsets: Mapping[int, int]) -> dict[int, EpochEntry]:
    """The leader epoch of the batch before each partition's offset; partitions that hold none are left out.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer for one of the partitions.
    """
    found: dict[int, EpochEntry] = {}
    # The broker sends a whole batch of one partition only, whatever the limits: so each is asked for alone.
    for partition, offset in offsets.items():
        if offset == 0:
            continue
        position = FetchPosition(offset - 1, topic.leader_epochs.get(partition, UNKNOWN_EPOCH))
        place = {(topic.topic_id, partition): position}
        (answer,) = await fetch(client, topic.leaders[partition], place, wait_ms=0, bytes_max=1, partition_bytes_max=1)
        if answer.error and answer.error != OFFSET_OUT_OF_RANGE:
            raise error_of(answer.error)
        if (entry := next(epochs_in(answer.data, offset - 1), None)) is not None:
            found[partition] = entry
    return found


async def epoch_ends(
    client: Client, topic: Topic, epochs: Mapping[int, int], known: Mapping[int, int] | None = None
) -> dict[int, EpochEnd]:
    """Where epochs end in the logs of a topic's partitions, by partition.

    An answer counts only if it is from the newest leader: a broker that knows an older or a newer leader epoch than we
    do refuses the question. ``known`` has leader epochs that were seen elsewhere, such as in fetched batches.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer for one of the partitions, or not from its newest leader.
    """
    asked: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for partition, epoch in epochs.items():
        newest = max(topic.leader_epochs.get(partition, UNKNOWN_EPOCH), (known or {}).get(partition, UNKNOWN_EPOCH))
        asked[topic.leaders.get(partition, NO_LEADER)].append((partition, newest, epoch))
    if NO_LEADER in asked:
        raise LeaderNotAvailableError(f"partition {asked[NO_LEADER][0][0]} of {topic.name} has no leader")
    responses = await asyncio.gather(
        *(client.send(node, OffsetForLeaderEpochRequest(topic.name, wanted)) for node, wanted in asked.items())
    )
    found: dict[int, EpochEnd] = {}
    for response in responses:
        for _, answers in response.topics:
            for error, partition, epoch, end_offset in answers:
                if error:
                    raise error_of(error)
                found[partition] = EpochEnd(epoch, end_offset)
    return found
