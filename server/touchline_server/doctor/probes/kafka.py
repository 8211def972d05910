"""What Kafka says of the cluster and of the topics that the settings name. Nothing is created or written."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from touchline_kafka.address import servers_of
from touchline_kafka.client import Client
from touchline_kafka.cluster import Cluster
from touchline_kafka.error_codes import INVALID_TOPIC, UNKNOWN_TOPIC_OR_PARTITION
from touchline_kafka.errors import REQUEST_ERRORS, describe, error_of, is_retried
from touchline_kafka.metadata.operations import Operation, allowed
from touchline_kafka.topic_admin import CLEANUP, IN_SYNC_MIN, RECORD_BYTES_MAX, newest_ms, topic_configs
from touchline_kafka.topics import NO_LEADER, OBSTACLES
from touchline_kafka.wire import MetadataRequest
from touchline_protocol.errors import LogUnavailable, OperatorError
from touchline_server.config.settings import Settings
from touchline_server.doctor.facts import KafkaFacts, TopicFacts, Trouble
from touchline_server.doctor.rules.topics import RETENTION, TIMESTAMP_TYPE

OPTIONS = (CLEANUP, IN_SYNC_MIN, RECORD_BYTES_MAX, RETENTION, TIMESTAMP_TYPE)
NEWEST_S = 3.0
"""How long the newest records of a topic are waited for. They only show whether a clock is wrong."""

Answer: TypeAlias = tuple[Any, ...]
"""A topic, or a partition, in the answer to a metadata request."""


async def look_at_kafka(
    settings: Settings, names: Collection[str], *, readable: Collection[str] = (), group: str | None = None
) -> KafkaFacts:
    """The facts about the cluster and its topics ``names``.

    Of those in ``readable`` the newest records are read. The consumer group is looked at unless ``group`` is None.
    """
    try:
        cluster = Cluster(servers_of(settings.log), settings.kafka, connect_timeout_s=settings.kafka.connect_timeout_s)
        client = await cluster.connect()
    except OperatorError as error:
        return KafkaFacts(trouble=Trouble(str(error), is_refusal=not isinstance(error, LogUnavailable)))
    try:
        facts = await _facts(cluster, client, settings, names)
        newest = await _newest(cluster, facts, readable)
        trouble = None if group is None else await _group_trouble(cluster, group)
        return facts._replace(topics=newest, now_ms=int(time.time() * 1000), group_trouble=trouble)
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
        racks=frozenset(rack for _, _, _, rack, *_ in answer.brokers if rack),
        topics={name: topic._replace(options=_known(options.get(name, {}))) for name, topic in topics.items()},
    )


async def _newest(cluster: Cluster, facts: KafkaFacts, readable: Collection[str]) -> Mapping[str, TopicFacts]:
    topics = dict(facts.topics)
    for name in readable:
        topic = topics.get(name)
        if topic is not None and topic.partitions and Operation.READ in (topic.allowed or (Operation.READ,)):
            newest = await newest_ms(cluster, name, topic.partitions, timeout_s=NEWEST_S)
            topics[name] = topic._replace(newest_ms=newest)
    return topics


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
