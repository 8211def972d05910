"""A log in Apache Kafka, 3.1 or newer.

Puts the parts together: `live` reads what is new, `replay` what is old. Connections, requests and the producer come
from `touchline_kafka`. Each part has connections of its own where it must not wait for another.

The guarantee for a topic that is deleted and created again while it is read (rule 4 of `core.log`): its epoch is
Kafka's topic id, and every fetch names the topic by that id, so no record of the new log is ever handed out, or read
by `read`, under the old epoch. ``epoch_check_s`` is only how soon a new topic or an added partition is noticed where
no fetch is refused.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from touchline_kafka.client import Client
from touchline_kafka.cluster import Cluster
from touchline_kafka.errors import REQUEST_ERRORS, describe, is_retried
from touchline_kafka.metadata.read_replicas import ReadReplicas
from touchline_kafka.partitioner import partition_of
from touchline_kafka.produce.producer import BoundedProducer, ProduceFailed
from touchline_kafka.retry import Retry, reported_if_slow, throttle_logs
from touchline_kafka.topic_admin import (
    CLEANUP,
    COMPACT,
    RECORD_BYTES_MAX,
    create_topics,
    deletes_old,
    topic_configs,
    until_led,
)
from touchline_kafka.topics import NO_LEADER, NoSuchTopic, Topics
from touchline_protocol.errors import LogUnavailable, OperatorError, TopicRefused
from touchline_server.config.tables import KafkaSettings
from touchline_server.core.log import (
    NO_TERM,
    AppendFailed,
    Chunk,
    Entry,
    LogEvent,
    PartitionProgress,
    Position,
    ReadBack,
    TopicOptions,
    UnknownTopic,
)

from .live import LiveReader
from .partition_choice import PartitionChoice
from .replay import ReplayReader
from .watcher import BROKERS

T = TypeVar("T")

NOTHING = ReadBack(topics=(), since_ms=0, records_max=0, s_max=0)
"""What is read back if nobody asks for anything."""

REQUEST_TIMEOUT_MS = 5_000
"""A broker that does not answer within this time is given up and asked again on a new connection. Longer than any wait
that is asked for (a fetch waits 250 ms), short enough that a dead network shows in `Log.problems` within seconds."""
HINT = "tls and sasl_mechanism under [kafka]"
"""What an operator checks, besides the address, when no broker answers."""


class KafkaLog:
    """See `core.log.Log`. ``bootstrap_servers`` has addresses as ``host:9092``."""

    def __init__(self, bootstrap_servers: Sequence[str], settings: KafkaSettings) -> None:
        self._address = ",".join(bootstrap_servers)
        self._servers = bootstrap_servers
        self._settings = settings
        self._problems: dict[str, str] = {}
        self._lost: dict[tuple[str, int], int] = {}
        self._progress: dict[str, str] = {}
        self._clients: list[Client] = []
        self._cluster: Cluster | None = None
        self._topics: Topics | None = None
        self._live: LiveReader | None = None
        self._replay: ReplayReader | None = None
        self._producer: BoundedProducer | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """See `core.log.Log.problems`."""
        return MappingProxyType(self._problems)

    @property
    def progress(self) -> Mapping[str, str]:
        """See `core.log.Log.progress`: how far topics are read back."""
        return MappingProxyType(self._progress)

    @property
    def partitions(self) -> Mapping[tuple[str, int], PartitionProgress]:
        """See `core.log.Log.partitions`."""
        return {} if self._live is None else self._live.progress()

    @property
    def unread_bytes(self) -> int:
        """See `core.log.Log.unread_bytes`: as they came from Kafka, compressed."""
        return 0 if self._live is None else self._live.unread_bytes

    @property
    def unreachable(self) -> str | None:
        """See `core.log.Log.unreachable`: no broker answers."""
        return self._problems.get(BROKERS)

    def partition_of(self, key: bytes, partitions: int) -> int:
        """See `core.log.Log.partition_of`: the choice of Java's default partitioner, and of most others."""
        return partition_of(key, partitions)

    async def open(
        self,
        topics: Sequence[str],
        *,
        since_ms: int,
        from_start: Collection[str] = (),
        read_back: ReadBack | None = None,
        choice: PartitionChoice | None = None,
    ) -> None:
        """See `core.log.Log.open`. ``choice`` narrows it to some partitions, and says from where to read them."""
        throttle_logs()
        self._cluster = Cluster(
            self._servers,
            self._settings,
            connect_timeout_s=self._settings.connect_timeout_s,
            hint=HINT,
            options={"request_timeout_ms": REQUEST_TIMEOUT_MS},
        )
        try:
            await self._open(self._cluster, topics, since_ms, from_start, read_back or NOTHING, choice)
        except BaseException:
            await self.close()
            raise

    async def _open(
        self,
        cluster: Cluster,
        names: Sequence[str],
        since_ms: int,
        from_start: Collection[str],
        read_back: ReadBack,
        choice: PartitionChoice | None,
    ) -> None:
        client = await self._connect(cluster)
        self._topics = Topics(client)
        self._replay = ReplayReader(client, self._topics, ReadReplicas(self._settings.rack), self._lost)
        self._producer = BoundedProducer(cluster, self._topics)
        self._live = LiveReader(
            client,
            await self._connect(cluster),
            self._topics,
            names,
            since_ms=since_ms,
            from_start=from_start,
            read_back=read_back,
            # Without anything to read back it would be a connection for nothing.
            read_back_client=await self._connect(cluster) if read_back.topics else client,
            rack=self._settings.rack,
            check_s=self._settings.epoch_check_s,
            problems=self._problems,
            lost=self._lost,
            progress=self._progress,
            choice=choice,
        )
        await self._first_check(self._live)

    async def _connect(self, cluster: Cluster) -> Client:
        client = await cluster.connect()
        self._clients.append(client)
        return client

    async def _first_check(self, live: LiveReader) -> None:
        """Start reading. A cluster that names brokers which cannot be reached fails here, not at the first record."""
        why: BaseException | None = None
        retry = Retry()

        def waiting() -> str:
            return f"connecting to the brokers that Kafka at {self._address} names{f': {describe(why)}' if why else ''}"

        try:
            with reported_if_slow(waiting):
                async with asyncio.timeout(self._settings.connect_timeout_s):
                    while True:
                        try:
                            return await live.start()
                        except NotImplementedError as error:
                            text = f"Kafka at {self._address} cannot be used: {describe(error)}"
                            raise OperatorError(text) from error
                        except REQUEST_ERRORS as error:
                            why = error
                        await retry.wait()
        except TimeoutError:
            reason = f" ({describe(why)})" if why else ""
            raise LogUnavailable(
                f"Kafka at {self._address} answered, but the brokers that it names do not{reason}: "
                "check their advertised.listeners"
            ) from why

    async def poll(self) -> list[LogEvent]:
        """See `core.log.Log.poll`."""
        return await _opened(self._live).poll()

    async def read(
        self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int, term: int = NO_TERM
    ) -> Chunk:
        """See `core.log.Log.read`."""
        replay = _opened(self._replay)
        return await replay.read(topic, epoch, partition, after=after, up_to=up_to, records_max=records_max, term=term)

    async def end(self, topic: str, epoch: str, partition: int, *, term: int = NO_TERM) -> int:
        """See `core.log.Log.end`: here the last stable offset, where an open transaction begins."""
        return await _opened(self._replay).end(topic, epoch, partition, term)

    async def begin(self, topic: str, epoch: str, partition: int) -> int:
        """The first offset that a partition still has; see `core.log.Log.end` for what it raises."""
        return await _opened(self._replay).begin(topic, epoch, partition)

    async def find_offset(self, topic: str, epoch: str, partition: int, *, since_ms: int) -> int | None:
        """See `core.log.Log.find_offset`. A topic of which the broker sets the times (LogAppendTime) cannot tell."""
        return await _opened(self._replay).find_offset(topic, epoch, partition, since_ms)

    async def append(self, topic: str, entries: Sequence[Entry], *, independent: bool = False) -> list[Position]:
        """See `core.log.Log.append`. A key's partition is the one that Java's default partitioner chooses (murmur2).

        A failed append may have been written after all, if Kafka was lost in between.
        """
        try:
            written = await _opened(self._producer).append(topic, entries, independent=independent)
        except NoSuchTopic as error:
            raise UnknownTopic(str(error)) from error
        except ProduceFailed as error:
            raise AppendFailed(str(error), error.written, error.refused) from error
        return [Position(*one) for one in written]

    async def check_writable(self, topic: str) -> None:
        """See `core.log.Log.check_writable`: every partition has a leader, as far as the broker that is asked knows."""
        try:
            found = (await _opened(self._topics).describe([topic]))[topic].usable()
        except NoSuchTopic as error:
            raise UnknownTopic(str(error)) from error
        except REQUEST_ERRORS as error:
            message = f"the topic {topic} cannot be used now: {describe(error)}"
            raise (LogUnavailable if is_retried(error) else TopicRefused)(message) from error
        if not found.may_write:
            raise TopicRefused(f"Kafka does not let this user write to the topic {topic}")
        if NO_LEADER in found.leaders.values():
            raise LogUnavailable(f"a partition of the topic {topic} has no leader")

    async def create_topics(
        self, topics: Sequence[str], *, partitions: int, replication: int | None, compacted: Collection[str] = ()
    ) -> list[str]:
        """See `core.log.Log.create_topics`. Returns once the topics can be appended to."""
        timeout_s = self._settings.connect_timeout_s
        created = await create_topics(
            _opened(self._cluster),
            topics,
            partitions=partitions,
            replication=replication,
            configs={name: {CLEANUP: COMPACT} for name in compacted},
            timeout_s=timeout_s,
        )
        try:
            async with asyncio.timeout(timeout_s):
                await until_led(_opened(self._topics), created)
        except REQUEST_ERRORS as error:
            raise LogUnavailable(f"the topics {', '.join(created)} are not ready: {describe(error)}") from error
        return created

    async def topic_options(self, topics: Collection[str]) -> Mapping[str, TopicOptions]:
        """See `core.log.Log.topic_options`. Only compaction alone keeps old records. Not all users may know."""
        timeout_s = self._settings.connect_timeout_s
        try:
            found = await topic_configs(
                _opened(self._cluster), topics, [CLEANUP, RECORD_BYTES_MAX], timeout_s=timeout_s
            )
        except REQUEST_ERRORS:
            found = {}
        return {topic: _topic_options(found.get(topic, {})) for topic in topics}

    async def close(self) -> None:
        """See `core.log.Log.close`."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.close()
        live, self._live = self._live, None
        if live is not None:
            await live.stop()
        self._replay = self._topics = None
        clients, self._clients = self._clients, []
        for client in clients:
            await client.close()


def _opened(part: T | None) -> T:
    if part is None:
        raise LogUnavailable("the log is not open")
    return part


def _topic_options(configs: Mapping[str, str]) -> TopicOptions:
    size = configs.get(RECORD_BYTES_MAX)
    return TopicOptions(deletes_old(configs.get(CLEANUP)), None if size is None else int(size))
