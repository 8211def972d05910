"""A server with a way to publish to it that is as quick as there is one: through Kafka where a broker is named.

Over HTTP an event waits for the server's turns twice, once as a request, so what is measured is in part that.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from .kafka import new_topic
from .measuring import Bench
from .processes import Server, touchline_serve
from .publishing import Publish, into_kafka, over_http


class Fed(NamedTuple):
    """``how`` is a sentence's beginning that says which way it is."""

    server: Server
    port: int
    publish: Publish
    how: str


@contextlib.asynccontextmanager
async def touchline_fed(bench: Bench, partitions: int = 1) -> AsyncIterator[Fed]:
    """Run ``touchline serve``, with a topic of its own where there is a broker."""
    core = bench.cores.server
    if bench.kafka is None:
        async with touchline_serve(core) as (server, port, control_port), over_http(control_port) as publish:
            yield Fed(server, port, publish, "events are published over HTTP, as no broker was named with --kafka")
        return
    async with (
        new_topic(bench.kafka, partitions) as topic,
        touchline_serve(core, log=topic.log, variables=topic.variables) as (server, port, _),
        into_kafka(bench.kafka, topic.name) as publish,
    ):
        yield Fed(server, port, publish, "events are published into Kafka, whose broker shares the clients' core")
