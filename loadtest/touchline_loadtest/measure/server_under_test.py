"""A server with the fastest way to publish to it: through Kafka if a broker is named, else over HTTP.

An event over HTTP waits for the server's event loop twice, first as a request, so HTTP is part of what is measured
then.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

import msgspec

from touchline_loadtest.publish.publisher import FEED, Publish, http_publisher, kafka_publisher

from .bench import Bench
from .kafka_topics import new_topic
from .processes import ChildProcess
from .touchline import serve

SQLITE_TOPIC = "match-events"


class ServerUnderTest(NamedTuple):
    """A running server. ``topic`` is that of `FEED`; ``note`` says, as the start of a sentence, how events come in."""

    process: ChildProcess
    port: int
    control_port: int
    topic: str
    publish: Publish
    note: str


@contextlib.asynccontextmanager
async def server_under_test(
    bench: Bench,
    partitions: int = 1,
    *,
    log: str = "sqlite://",
    variables: Mapping[str, str] | None = None,
    key_field: str | None = None,
) -> AsyncIterator[ServerUnderTest]:
    """Run ``touchline serve`` on a topic of its own if there is a broker, else on ``log``, which has one partition.

    ``variables`` are its settings besides the defaults; ``key_field`` names the field in which events have their keys.
    """
    async with contextlib.AsyncExitStack() as stack:
        if bench.kafka is None:
            topic = SQLITE_TOPIC
            note = "events are published over HTTP, because no broker was named with --kafka"
        else:
            topic = await stack.enter_async_context(new_topic(bench.kafka, partitions))
            log = f"kafka://{bench.kafka}"
            note = "events are published into Kafka, whose broker shares the clients' core"
        settings = {**feed_variables(topic, key_field), **(variables or {})}
        process, port, control_port = await stack.enter_async_context(serve(bench, log=log, variables=settings))
        publisher = http_publisher(control_port) if bench.kafka is None else kafka_publisher(bench.kafka, topic)
        yield ServerUnderTest(process, port, control_port, topic, await stack.enter_async_context(publisher), note)


def feed_variables(topic: str, key_field: str | None = None) -> dict[str, str]:
    """The settings with which a server carries `FEED` from ``topic``."""
    feed = {"topic": topic} | ({"key_field": key_field} if key_field else {})
    return {"TOUCHLINE_FEEDS": msgspec.json.encode({FEED: feed}).decode()}
