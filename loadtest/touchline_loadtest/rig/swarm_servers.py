"""A swarm with servers of its own: starts Kafka and edges, plays the feed into Kafka, and reads the log at the end."""

import contextlib
import secrets
import time
from typing import NamedTuple

from touchline_loadtest.feeds import tracking
from touchline_loadtest.feeds.choice import Destination
from touchline_loadtest.locust.behaviour.tokens import TokenSigner
from touchline_loadtest.runs.history.log_writer import LogWriter
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.swarm.plan import Edge, Settings
from touchline_loadtest.swarm.result import Outcome
from touchline_loadtest.swarm.run import run_swarm

from .edge_config import server_config
from .kafka.local import LocalKafka
from .log_lag.record import Newest, record_log_lag
from .servers import running_edges, write_config
from .topics import run_topics
from .witness import write_log

FEEDS = ("match", "score", tracking.FEED)


class Local(NamedTuple):
    """The servers to start: ``edges``, and Kafka unless ``kafka`` is the address of a running broker."""

    edges: int
    kafka: str | None


async def run_with_servers(settings: Settings, local: Local, run: RunWriter) -> Outcome:
    """Run a swarm against servers that are started for it. All have ended when this returns or raises.

    Raises:
        OperatorError: something is missing on this machine, or Kafka cannot be reached.
        ChildFailed: an edge did not start.
        ProcessFailed: a worker ended.
    """
    async with contextlib.AsyncExitStack() as stack:
        pids: dict[str, int] = {}
        if local.kafka is not None:
            kafka = local.kafka
        else:
            own = await stack.enter_async_context(LocalKafka(run.folder / "kafka").running())
            kafka = own.address
            pids |= own.pids
        topics = await stack.enter_async_context(run_topics(kafka, FEEDS))
        secret = secrets.token_urlsafe(32)
        config = write_config(run, server_config(topics, secret))
        edges = await stack.enter_async_context(running_edges(local.edges, kafka, config, run))
        pids |= {edge.name: edge.pid for edge in edges if edge.pid is not None}
        token = TokenSigner(secret).sign("swarm", rooms=["*"], act=[], now_s=int(time.time()))
        addresses = [Edge("127.0.0.1", edge.port) for edge in edges]
        settings = settings._replace(edges=addresses, token=token, servers=pids)
        if settings.publishing is not None:
            destination = Destination(kafka=kafka, topics=topics.feeds)
            settings = settings._replace(publishing=settings.publishing._replace(destination=destination))

        async def beside(newest: Newest) -> None:
            await record_log_lag(run, kafka, topics.feeds, settings.rooms, {"": newest})

        outcome = await run_swarm(settings, run, beside if _covers_the_feed(settings) else None)
        with LogWriter(run.folder) as log:
            await write_log(kafka, topics, log)
        return outcome


def _covers_the_feed(settings: Settings) -> bool:
    """Whether somebody is in each room to which something is published: only then can the log lag be told."""
    return settings.publishing is not None and set(settings.publishing.feed.rooms()) <= set(settings.rooms)
