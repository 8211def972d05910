"""Creating and deleting topics, and what of their configuration matters to us."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from touchline_protocol.errors import LogUnavailable, OperatorError

from .cluster import Cluster
from .error_codes import BY_CODE, TOPIC_ALREADY_EXISTS
from .errors import REQUEST_ERRORS, describe
from .topics import Topics

CLEANUP = "cleanup.policy"
RECORD_BYTES_MAX = "max.message.bytes"
COMPACT = "compact"
IN_SYNC_MIN = "min.insync.replicas"
AUTO_CREATE = "auto.create.topics.enable"
BROKERS_DEFAULT = -1
"""In place of a replication factor: the broker's own default."""
RECORD_WAIT_MS = 200
LED_PAUSE_S = 0.02
"""Between looks at a topic that was just created: brokers learn of it one after the other."""


async def create_topics(
    cluster: Cluster,
    names: Sequence[str],
    *,
    partitions: int,
    replication: int | None,
    configs: Mapping[str, Mapping[str, str]] | None = None,
    timeout_s: float,
) -> list[str]:
    """Create the topics that do not exist yet, and return the names of those. ``configs`` are by topic.

    Without a ``replication``, the broker's ``default.replication.factor`` decides (KIP-464).

    Raises:
        OperatorError: Kafka refused to create one of them; the message has its reason.
        LogUnavailable: Kafka did not answer in time.
    """
    wanted = [_new_topic(name, partitions, replication, (configs or {}).get(name, {})) for name in names]
    try:
        async with asyncio.timeout(timeout_s), cluster.admin() as admin:
            response = await admin.create_topics(wanted)
    except REQUEST_ERRORS as error:
        raise LogUnavailable(f"Kafka did not create the topics {', '.join(names)}: {describe(error)}") from error
    return _created(response.topic_errors)


async def delete_topics(cluster: Cluster, names: Sequence[str], *, timeout_s: float) -> None:
    """Delete topics; those that do not exist are passed over.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer.
    """
    async with asyncio.timeout(timeout_s), cluster.admin() as admin:
        await admin.delete_topics(list(names))


async def until_led(topics: Topics, names: Collection[str]) -> None:
    """Wait until every partition of the topics has a leader. Call it with a timeout.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer.
    """
    waiting = list(names)
    while waiting:
        found = await topics.describe(waiting)
        waiting = [name for name, topic in found.items() if not topic.is_led]
        if waiting:
            await asyncio.sleep(LED_PAUSE_S)


async def topic_configs(
    cluster: Cluster, names: Collection[str], options: Collection[str], *, timeout_s: float
) -> dict[str, Mapping[str, str]]:
    """Options of topics, by topic. Those that Kafka does not tell are left out, since not every user may know.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer.
    """
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(options)) for name in names]
    found: dict[str, Mapping[str, str]] = {name: {} for name in names}
    async with asyncio.timeout(timeout_s), cluster.admin() as admin:
        for answer in await admin.describe_configs(wanted):
            for _, _, _, name, configs in answer.resources:
                found[name] = {option: value for option, value, *_ in configs}
    return found


async def creates_topics(cluster: Cluster, node: int, *, timeout_s: float) -> bool | None:
    """Whether a broker creates each topic that a client names; None if this user may not know.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer.
    """
    wanted = ConfigResource(ConfigResourceType.BROKER, str(node), {AUTO_CREATE: None})
    async with asyncio.timeout(timeout_s), cluster.admin() as admin:
        for answer in await admin.describe_configs([wanted]):
            for _, _, _, _, configs in answer.resources:
                for option, value, *_ in configs:
                    if option == AUTO_CREATE:
                        return bool(value == "true")
    return None


def deletes_old(policy: str | None) -> bool:
    """Whether Kafka eventually removes even the newest record of a key, by a topic's `CLEANUP`; False if unknown."""
    return policy is not None and policy != COMPACT


async def newest_ms(cluster: Cluster, topic: str, partitions: int, *, timeout_s: float) -> int | None:
    """The highest timestamp among the last records of a topic's partitions (Unix).

    None if there are none, or they did not come in time: they only show whether a clock is wrong.

    Raises:
        OperatorError, LogUnavailable: the cluster was not found.
    """
    return await _latest_ms(cluster, topic, partitions, lambda begin, end: end - 1 if end > begin else None, timeout_s)


async def oldest_ms(cluster: Cluster, topic: str, partitions: int, *, timeout_s: float) -> int | None:
    """Since when all partitions have all records: the highest timestamp among the first records of those from which
    Kafka has deleted some (Unix).

    None if there are none, or they did not come in time.

    Raises:
        OperatorError, LogUnavailable: the cluster was not found.
    """
    return await _latest_ms(
        cluster, topic, partitions, lambda begin, end: begin if 0 < begin < end else None, timeout_s
    )


async def _latest_ms(
    cluster: Cluster, topic: str, partitions: int, choose: Callable[[int, int], int | None], timeout_s: float
) -> int | None:
    """The highest timestamp of one record for each partition: ``choose`` gets where a partition begins and ends."""
    consumer = await cluster.consumer(enable_auto_commit=False)
    places = [TopicPartition(topic, number) for number in range(partitions)]
    times: dict[TopicPartition, int] = {}
    try:
        async with asyncio.timeout(timeout_s):
            consumer.assign(places)
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            chosen = {place: choose(begins[place], ends[place]) for place in places}
            wanted = {place: offset for place, offset in chosen.items() if offset is not None}
            consumer.pause(*(place for place in places if place not in wanted))
            for place, offset in wanted.items():
                consumer.seek(place, offset)
            while len(times) < len(wanted):
                for place, records in (await consumer.getmany(timeout_ms=RECORD_WAIT_MS)).items():
                    times.setdefault(place, records[0].timestamp)
                    consumer.pause(place)
    except REQUEST_ERRORS:
        return None
    finally:
        await consumer.stop()
    return max(times.values(), default=None)


def _new_topic(name: str, partitions: int, replication: int | None, configs: Mapping[str, str]) -> NewTopic:
    topic = NewTopic(name, partitions, replication or 1, topic_configs=dict(configs))
    if replication is None:
        topic.replication_factor = BROKERS_DEFAULT  # aiokafka's constructor takes it for a missing argument
    return topic


def _created(errors: Iterable[tuple[Any, ...]]) -> list[str]:
    """The names of the topics that were created, from Kafka's answer: (name, code, message) of each."""
    created = []
    for name, code, *message in errors:
        if code == TOPIC_ALREADY_EXISTS:
            continue
        if code:
            known = BY_CODE[code].meaning if code in BY_CODE else f"error {code}"
            raise OperatorError(f"Kafka did not create the topic {name}: {message[0] if any(message) else known}")
        created.append(name)
    return created
