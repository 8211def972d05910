"""The Kafka brokers that a command names, and the topics that they need to have.

A wrong address or a missing topic is reported at once, with its cure: aiokafka's producer alone would try again for
half a minute, and log every attempt.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from touchline_kafka.cluster import CONNECT_TIMEOUT_S, Cluster
from touchline_kafka.errors import REQUEST_ERRORS, describe
from touchline_kafka.topics import NoSuchTopic, Topics
from touchline_protocol.errors import OperatorError

CLIENT_ID = "touchline-loadtest"
HINT = "that the broker asks for neither TLS nor a password, which the load tests do not support"
SERVER_FEEDS = ("match", "score")
"""A server has these feeds, unless its configuration names others."""


def default_topic(feed: str) -> str:
    """The topic of a feed, unless somebody names another."""
    return f"{feed}-events"


def cluster_at(address: str, *, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> Cluster:
    """The cluster at ``address``, ``host:port`` of one or more brokers, separated by commas."""
    return Cluster(address.split(","), client_id=CLIENT_ID, connect_timeout_s=connect_timeout_s, hint=HINT)


@contextlib.contextmanager
def kafka_refusals(address: str) -> Iterator[None]:
    """Turn errors of requests to the cluster at ``address`` into those of the operator, with the address."""
    try:
        yield
    except REQUEST_ERRORS as error:
        raise OperatorError(f"Kafka at {address}: {describe(error)}") from error


async def partition_counts(address: str, topics: Mapping[str, str], *, connect_timeout_s: float) -> dict[str, int]:
    """The number of partitions of each topic. ``topics`` maps feeds to topics, all of which have to exist.

    Raises:
        OperatorError: a topic is missing or cannot be used, the broker cannot be reached, or it refuses.
    """
    client = await cluster_at(address, connect_timeout_s=connect_timeout_s).connect()
    try:
        with kafka_refusals(address):
            found = await Topics(client).describe(sorted(topics.values()))
    finally:
        await client.release()
    counts: dict[str, int] = {}
    missing: list[str] = []
    for feed, name in topics.items():
        try:
            counts[name] = len(found[name].usable().leaders)
        except NoSuchTopic:
            missing.append(feed)
        except REQUEST_ERRORS as error:
            raise OperatorError(f"the topic {name} at {address}: {describe(error)}") from error
    if missing:
        raise OperatorError(missing_topics(address, {feed: topics[feed] for feed in missing}))
    return counts


def missing_topics(address: str, topics: Mapping[str, str]) -> str:
    """What to say about topics that do not exist: which, where, and how to create them."""
    command = f"`touchline topics --create --log kafka://{address}`"
    settings = [
        f"TOUCHLINE_FEEDS__{feed.upper()}__TOPIC={topic}"
        for feed, topic in topics.items()
        if feed not in SERVER_FEEDS or topic != default_topic(feed)
    ]
    if not settings:
        cure = f"{command} creates {_it(topics)}"
    else:
        cure = (
            f"configure the server with {' and '.join(settings)}, and {command} with the same setting creates "
            f"{_it(topics)}"
        )
    return f"Kafka at {address} has no {_named(list(topics.values()))}: {cure}"


def _named(topics: Sequence[str]) -> str:
    return f"topic {topics[0]}" if len(topics) == 1 else f"topics {', '.join(topics)}"


def _it(topics: Mapping[str, str]) -> str:
    return "it" if len(topics) == 1 else "them"
