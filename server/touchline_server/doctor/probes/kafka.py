"""What Kafka says of the cluster and of the topics that the settings name. Nothing is created or written."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from touchline_kafka.address import servers_of
from touchline_kafka.client import Client
from touchline_kafka.cluster import Cluster
from touchline_kafka.error_codes import INVALID_TOPIC, UNKNOWN_TOPIC_OR_PARTITION
from touchline_kafka.errors import REQUEST_ERRORS, describe, error_of, is_retried
from touchline_kafka.metadata.operations import Operation, allowed
from touchline_kafka.metadata.quorum import QuorumRequest, controller_time_ms
from touchline_kafka.topic_admin import (
    CLEANUP,
    IN_SYNC_MIN,
    RECORD_BYTES_MAX,
    creates_topics,
    newest_ms,
    oldest_ms,
    topic_configs,
)
from touchline_kafka.topics import NO_LEADER, OBSTACLES
from touchline_kafka.wire import MetadataRequest
from touchline_protocol.errors import LogUnavailable, OperatorError
from touchline_server.config.settings import Settings
from touchline_server.doctor.facts import KafkaFacts, TopicFacts, Trouble
from touchline_server.doctor.probes.port import port_has_tls
from touchline_server.doctor.rules.topics import RETENTION, RETENTION_BYTES, TIMESTAMP_TYPE, retention_bytes

OPTIONS = (CLEANUP, IN_SYNC_MIN, RECORD_BYTES_MAX, RETENTION, RETENTION_BYTES, TIMESTAMP_TYPE)
CLOCK_S = 3.0
"""How long the controller may take to tell its time."""
RECORDS_S = 3.0
"""How long the newest and the oldest records of a topic are waited for. They only show whether a clock is wrong, and
whether Kafka keeps enough."""

Answer: TypeAlias = tuple[Any, ...]
"""A topic, or a partition, in the answer to a metadata request."""


async def look_at_kafka(
    settings: Settings,
    names: Collection[str],
    *,
    readable: Collection[str] = (),
    group: str | None = None,
    clock_s: Callable[[], float] = time.time,
) -> KafkaFacts:
    """The facts about the cluster and its topics ``names``.

    Of those in ``readable`` the newest records are read, and the oldest if their size limits what Kafka keeps. The
    consumer group is looked at unless ``group`` is None.
    ``clock_s`` is this machine's clock (Unix).
    """
    try:
        cluster = Cluster(servers_of(settings.log), settings.kafka, connect_timeout_s=settings.kafka.connect_timeout_s)
        client = await cluster.connect()
    except LogUnavailable as error:
        return KafkaFacts(Trouble(str(error), is_refusal=False), await port_has_tls(servers_of(settings.log)))
    except OperatorError as error:
        return KafkaFacts(Trouble(str(error), is_refusal=True))
    try:
        facts = await _facts(cluster, client, settings, names)
        topics = await _with_times(cluster, facts, readable)
        trouble = None if group is None else await _group_trouble(cluster, group)
        off_s, round_trip_s = await _clock_off(client, clock_s)
        return facts._replace(
            topics=topics,
            now_ms=int(clock_s() * 1000),
            group_trouble=trouble,
            clock_off_s=off_s,
            round_trip_s=round_trip_s,
        )
    except REQUEST_ERRORS as error:
        return KafkaFacts(trouble=Trouble(describe(error), is_refusal=not is_retried(error)))
    finally:
        await client.close()


async def _facts(cluster: Cluster, client: Client, settings: Settings, names: Collection[str]) -> KafkaFacts:
    timeout_s = settings.kafka.connect_timeout_s
    async with asyncio.timeout(timeout_s):
        node = next(broker.nodeId for broker in client.cluster.brokers())
        answer = await client.send(node, MetadataRequest(names))
    topics = {topic[1]: _topic(topic) for topic in answer.topics}
    there = [name for name, topic in topics.items() if topic.trouble is None and not topic.is_missing]
    options = await topic_configs(cluster, there, OPTIONS, timeout_s=timeout_s) if there else {}
    return KafkaFacts(
        brokers=len(answer.brokers),
        creates_topics=await creates_topics(cluster, node, timeout_s=timeout_s),
        racks=frozenset(rack for _, _, _, rack, *_ in answer.brokers if rack),
        topics={name: topic._replace(options=_known(options.get(name, {}))) for name, topic in topics.items()},
    )


async def _with_times(cluster: Cluster, facts: KafkaFacts, readable: Collection[str]) -> Mapping[str, TopicFacts]:
    topics = dict(facts.topics)
    for name in readable:
        topic = topics.get(name)
        if topic is not None and topic.partitions and Operation.READ in (topic.allowed or (Operation.READ,)):
            newest = await newest_ms(cluster, name, topic.partitions, timeout_s=RECORDS_S)
            is_limited = retention_bytes(topic) is not None
            oldest = await oldest_ms(cluster, name, topic.partitions, timeout_s=RECORDS_S) if is_limited else None
            topics[name] = topic._replace(newest_ms=newest, oldest_ms=oldest)
    return topics


async def _clock_off(client: Client, clock_s: Callable[[], float]) -> tuple[float | None, float]:
    """How far the controller's clock is ahead, and how long it took to ask; None if this user may not know."""
    node = next(broker.nodeId for broker in client.cluster.brokers())
    began_s = clock_s()
    try:
        async with asyncio.timeout(CLOCK_S):
            answer = await client.send(node, QuorumRequest())
    except REQUEST_ERRORS:
        return None, 0.0
    ended_s = clock_s()
    at_ms = controller_time_ms(answer)
    return None if at_ms is None else at_ms / 1000 - (began_s + ended_s) / 2, ended_s - began_s


def _topic(answer: Answer) -> TopicFacts:
    code, _, _, _, partitions, operations, *_ = answer
    if code in (UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC):
        return TopicFacts(is_missing=True)
    if code:
        error = error_of(code)
        return TopicFacts(trouble=Trouble(OBSTACLES.get(code) or describe(error), is_refusal=not is_retried(error)))
    # (error_code, partition, leader, leader_epoch, replicas, isr, offline_replicas, tags) of each
    return TopicFacts(
        partitions=len(partitions),
        without_leader=tuple(sorted(number for _, number, leader, *_ in partitions if leader == NO_LEADER)),
        out_of_sync=tuple(
            sorted(number for _, number, _, _, replicas, isr, *_ in partitions if len(isr) < len(replicas))
        ),
        replicas=min((len(replicas) for _, _, _, _, replicas, *_ in partitions), default=0),
        allowed=allowed(operations),
    )


def _known(options: Mapping[str, str | None]) -> Mapping[str, str]:
    return {option: value for option, value in options.items() if value is not None}


async def _group_trouble(cluster: Cluster, group: str) -> Trouble | None:
    try:
        async with cluster.admin() as admin:
            for answer in await admin.describe_consumer_groups([group]):
                for code, *_ in answer.groups:
                    if code:
                        error = error_of(code)
                        return Trouble(describe(error), is_refusal=not is_retried(error))
    except REQUEST_ERRORS as error:
        return Trouble(describe(error), is_refusal=not is_retried(error))
    return None
