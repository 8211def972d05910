"""Creating and deleting topics, and what of their configuration matters to us."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from touchline_protocol.errors import LogUnavailable, OperatorError

from .cluster import Cluster
from .error_codes import BY_CODE, TOPIC_ALREADY_EXISTS
from .errors import REQUEST_ERRORS, describe
from .topics import Topics

CLEANUP = "cleanup.policy"
COMPACT = "compact"
LED_PAUSE_S = 0.02
"""Between looks at a topic that was just created: brokers learn of it one after the other."""


async def create_topics(
    cluster: Cluster,
    names: Sequence[str],
    *,
    partitions: int,
    replication: int,
    configs: Mapping[str, Mapping[str, str]] | None = None,
    timeout_s: float,
) -> list[str]:
    """Create the topics that do not exist yet, and return the names of those. ``configs`` are by topic.

    Raises:
        OperatorError: Kafka refused to create one of them; the message has its reason.
        LogUnavailable: Kafka did not answer in time.
    """
    wanted = [
        NewTopic(name, partitions, replication, topic_configs=dict((configs or {}).get(name, {}))) for name in names
    ]
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


async def cleanup_policy(cluster: Cluster, name: str, *, timeout_s: float) -> str | None:
    """The ``cleanup.policy`` of a topic; None if Kafka does not tell it, since not every user may know.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer.
    """
    async with asyncio.timeout(timeout_s), cluster.admin() as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name, {CLEANUP: None})])
    ((*_, configs),) = answer.resources
    return next((value for option, value, *_ in configs if option == CLEANUP), None)


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
