"""A server with a way to publish to it that is as quick as there is one: through Kafka where a broker is named.

Over HTTP an event waits for the server's turns twice, once as a request, so what is measured is in part that.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from .kafka import feed_settings, new_topic
from .measuring import Bench
from .processes import Server, touchline_serve
from .publishing import Publish, into_kafka, over_http

SQLITE_TOPIC = "match-events"


class Fed(NamedTuple):
    """``topic`` is that of `kafka.FEED`; ``how`` is a sentence's beginning that says which way events come in."""

    server: Server
    port: int
    control_port: int
    topic: str
    publish: Publish
    how: str


@contextlib.asynccontextmanager
async def touchline_fed(
    bench: Bench,
    partitions: int = 1,
    *,
    log: str = "sqlite://",
    variables: Mapping[str, str] | None = None,
    key_field: str | None = None,
) -> AsyncIterator[Fed]:
    """Run ``touchline serve``: on a topic of its own where there is a broker, else on ``log``, which has one partition.

    ``variables`` are settings beside the defaults; ``key_field`` is where events have their keys, if they have any.
    """
    async with contextlib.AsyncExitStack() as stack:
        if bench.kafka is None:
            name, settings = SQLITE_TOPIC, feed_settings(SQLITE_TOPIC, key_field)
            how = "events are published over HTTP, as no broker was named with --kafka"
        else:
            topic = await stack.enter_async_context(new_topic(bench.kafka, partitions, key_field))
            name, log, settings = topic.name, topic.log, topic.variables
            how = "events are published into Kafka, whose broker shares the clients' core"
        serving = touchline_serve(bench.cores.server, log=log, variables={**settings, **(variables or {})})
        server, port, control_port = await stack.enter_async_context(serving)
        way_in = over_http(control_port) if bench.kafka is None else into_kafka(bench.kafka, name)
        yield Fed(server, port, control_port, name, await stack.enter_async_context(way_in), how)
