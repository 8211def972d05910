"""A log in Apache Kafka, 3.1 or newer.

Puts the parts together: `kafka_live` reads what is new, `kafka_replay` what is old, `kafka_append` writes;
`kafka_topics` knows ids and leaders, `kafka_fetch` speaks the fetch, `kafka_client` connects. Each part has connections
of its own where it must not wait for another.

What is guaranteed of a topic that is deleted and made anew while it is read (rule 4 of `core.log`): its epoch is
Kafka's topic id, and every fetch names the topic by that id, so no record of the new log is ever handed out, or read
by `read`, under the old epoch. ``epoch_check_s`` is only how soon a new topic or an added partition is noticed where
no fetch is refused.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.partitioner import murmur2

from touchline_protocol.errors import LogUnavailable, OperatorError
from touchline_server.config.tables import KafkaSettings
from touchline_server.core.log import Chunk, Entry, LogEvent, Position, RoomSnapshot

from .append import Appender, existing
from .client import OUTAGES, Retry, client_options, connect, in_words, quieten_logs
from .live import BROKERS, LiveReader
from .replay import ReplayReader
from .topics import NO_LEADER, Topics

T = TypeVar("T")

_POSITIVE = 0x7FFF_FFFF
"""Kafka drops the sign of a hash by this mask, where others would take the absolute value."""
TOPIC_EXISTS = 36
CLEANUP = "cleanup.policy"
COMPACTED = {CLEANUP: "compact"}
NEW_TOPIC_PAUSE_S = 0.02
"""Between looks at a topic that was just made: brokers learn of it one after the other."""


class KafkaLog:
    """See `core.log.Log`. ``bootstrap_servers`` has addresses as ``host:9092``."""

    def __init__(self, bootstrap_servers: Sequence[str], settings: KafkaSettings) -> None:
        self._servers = list(bootstrap_servers)
        self._settings = settings
        self._problems: dict[str, str] = {}
        self._clients: list[AIOKafkaClient] = []
        self._options: dict[str, Any] = {}
        self._topics: Topics | None = None
        self._live: LiveReader | None = None
        self._replay: ReplayReader | None = None
        self._appender: Appender | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """See `core.log.Log.problems`."""
        return MappingProxyType(self._problems)

    @property
    def unreachable(self) -> str | None:
        """See `core.log.Log.unreachable`: no broker answers."""
        return self._problems.get(BROKERS)

    def partition_of(self, key: bytes, partitions: int) -> int:
        """See `core.log.Log.partition_of`: the choice of Java's default partitioner, and of most others."""
        hashed: int = murmur2(key)
        return (hashed & _POSITIVE) % partitions

    async def open(self, topics: Sequence[str], *, since_ms: int, from_start: Collection[str] = ()) -> None:
        """See `core.log.Log.open`."""
        quieten_logs()
        self._options = client_options(self._servers, self._settings)
        try:
            await self._open(topics, since_ms, from_start)
        except BaseException:
            await self.close()
            raise

    async def _open(self, names: Sequence[str], since_ms: int, from_start: Collection[str]) -> None:
        client = await self._connect()
        self._topics = Topics(client)
        self._replay = ReplayReader(client, self._topics)
        self._appender = Appender(self._options, self._topics)
        self._live = LiveReader(
            client,
            await self._connect(),
            self._topics,
            names,
            since_ms=since_ms,
            from_start=from_start,
            check_s=self._settings.epoch_check_s,
            problems=self._problems,
        )
        await self._first_look(self._live)

    async def _connect(self) -> AIOKafkaClient:
        client = await connect(self._options, self._settings.connect_timeout_s)
        self._clients.append(client)
        return client

    async def _first_look(self, live: LiveReader) -> None:
        """Start reading. A cluster that names brokers which cannot be reached fails here, not at the first record."""
        why: BaseException | None = None
        retry = Retry()
        address = ",".join(self._servers)
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                while True:
                    try:
                        return await live.start()
                    except NotImplementedError as error:
                        raise OperatorError(f"Kafka at {address} cannot be used: {in_words(error)}") from error
                    except OUTAGES as error:
                        why = error
                    await retry.wait()
        except TimeoutError:
            reason = f" ({in_words(why)})" if why else ""
            raise LogUnavailable(
                f"Kafka at {address} answered, but the brokers that it names do not{reason}: "
                "check their advertised.listeners"
            ) from why

    async def poll(self) -> list[LogEvent]:
        """See `core.log.Log.poll`."""
        return await _opened(self._live).poll()

    async def read(self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int) -> Chunk:
        """See `core.log.Log.read`."""
        replay = _opened(self._replay)
        return await replay.read(topic, epoch, partition, after=after, up_to=up_to, records_max=records_max)

    async def end(self, topic: str, epoch: str, partition: int) -> int:
        """See `core.log.Log.end`: here the last stable offset, where an open transaction begins."""
        return await _opened(self._replay).end(topic, epoch, partition)

    async def snapshot(self, topic: str, partition: int, before: int) -> Sequence[RoomSnapshot] | None:
        """None: Kafka keeps records, not the state of rooms."""
        return None

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        """See `core.log.Log.append`. A key's partition is the one that Java's default partitioner chooses (murmur2).

        A failed append may have been written all the same if Kafka was lost in between.
        """
        return await _opened(self._appender).append(topic, entries)

    async def check_writable(self, topic: str) -> None:
        """See `core.log.Log.check_writable`: all partitions have a leader, as far as the broker knows that is asked."""
        try:
            found = existing((await _opened(self._topics).describe([topic]))[topic])
        except OUTAGES as error:
            raise LogUnavailable(f"Kafka does not say how the topic {topic} is: {in_words(error)}") from error
        if NO_LEADER in found.leaders.values():
            raise LogUnavailable(f"a partition of the topic {topic} has no leader")

    async def create_topics(
        self, topics: Sequence[str], *, partitions: int, replication: int, compacted: Collection[str] = ()
    ) -> list[str]:
        """See `core.log.Log.create_topics`. Returns once the topics can be appended to."""
        admin = AIOKafkaAdminClient(**self._options)
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await admin.start()
                response = await admin.create_topics(
                    [
                        NewTopic(name, partitions, replication, topic_configs=COMPACTED if name in compacted else {})
                        for name in topics
                    ]
                )
                made = _made(response.topic_errors)
                await self._until_ready(made)
        except OUTAGES as error:
            raise LogUnavailable(f"Kafka did not make the topics {', '.join(topics)}: {in_words(error)}") from error
        finally:
            await admin.close()
        return made

    async def _until_ready(self, names: Sequence[str]) -> None:
        while names:
            found = await _opened(self._topics).describe(names)
            names = [name for name, topic in found.items() if topic.error or NO_LEADER in topic.leaders.values()]
            if names:
                await asyncio.sleep(NEW_TOPIC_PAUSE_S)

    async def deletes_old(self, topic: str) -> bool:
        """See `core.log.Log.deletes_old`: it does unless it is compacted, and nothing else. Not all users may know."""
        admin = AIOKafkaAdminClient(**self._options)
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await admin.start()
                asked = ConfigResource(ConfigResourceType.TOPIC, topic, {CLEANUP: None})
                (answer,) = await admin.describe_configs([asked])
        except OUTAGES:
            return False
        finally:
            await admin.close()
        ((*_, configs),) = answer.resources
        policies = [value for name, value, *_ in configs if name == CLEANUP]
        return any(policy != COMPACTED[CLEANUP] for policy in policies)

    async def close(self) -> None:
        """See `core.log.Log.close`."""
        appender, self._appender = self._appender, None
        if appender is not None:
            await appender.close()
        live, self._live = self._live, None
        if live is not None:
            await live.stop()
        self._replay = self._topics = None
        clients, self._clients = self._clients, []
        for client in clients:
            await client.close()


def _opened(part: T | None) -> T:
    if part is None:
        raise LogUnavailable("the log is not open, or not any more")
    return part


def _made(errors: Sequence[tuple[Any, ...]]) -> list[str]:
    """The names of the topics that were made, out of the answer to a request for them."""
    made = []
    for name, code, *message in errors:
        if code == TOPIC_EXISTS:
            continue
        if code:
            why = message[0] if message and message[0] else f"error {code}"
            raise OperatorError(f"Kafka did not make the topic {name}: {why}")
        made.append(name)
    return made
