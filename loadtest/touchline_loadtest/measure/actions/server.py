"""A server that accepts actions, with topics of its own, and its players."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import NamedTuple

from touchline_loadtest.clients.players import Players
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.kafka_topics import new_topic
from touchline_loadtest.measure.processes import ChildProcess
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.publish.publisher import FEED

from .findings import LogFindings, compare_log
from .reader import read_actions

ROOM = f"{FEED}:1"
PARTITIONS = 8
UNLIMITED = "1000000"
"""Actions of one player in a second: what is measured is the server's capacity, not its limits."""
COMPACTED = {"cleanup.policy": "compact"}


class ActionServer(NamedTuple):
    """A running server. ``kafka`` is the broker's address."""

    process: ChildProcess
    players: Players
    kafka: str
    events_topic: str
    actions_topic: str
    verdicts_topic: str

    async def check_log(self) -> LogFindings:
        """Compare the log with what was acknowledged, all of which has to be in it."""
        sessions = [player.actions for player in self.players.all]
        return compare_log(await read_actions(self.kafka, self.actions_topic), sessions)


class ActionTopics(NamedTuple):
    """Topics that a server has for itself."""

    actions: str
    verdicts: str

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which a server uses them."""
        return {"TOUCHLINE_ACTIONS__TOPIC": self.actions, "TOUCHLINE_VERDICTS__TOPIC": self.verdicts}


@contextlib.asynccontextmanager
async def action_topics(kafka: str) -> AsyncIterator[ActionTopics]:
    """Create the topics on a broker; they are deleted in the end."""
    async with new_topic(kafka, PARTITIONS) as actions, new_topic(kafka, PARTITIONS, COMPACTED) as verdicts:
        yield ActionTopics(actions, verdicts)


@contextlib.asynccontextmanager
async def action_server(bench: Bench, data_bytes: int) -> AsyncIterator[ActionServer]:
    """Run ``touchline serve`` on the broker of ``bench``, still without players, whose actions have ``data_bytes``."""
    assert bench.kafka is not None  # noqa: S101 - the registry checks that
    secret = secrets.token_hex()
    async with action_topics(bench.kafka) as topics:
        settings = {
            "TOUCHLINE_AUTH__HS256_SECRET": secret,
            "TOUCHLINE_ACTIONS__PER_SECOND_MAX": UNLIMITED,
            "TOUCHLINE_ACTIONS__BURST": UNLIMITED,
            **topics.settings,
        }
        async with server_under_test(bench, variables=settings) as server:
            players = Players(server.port, secret, ROOM, data_bytes)
            try:
                yield ActionServer(server.process, players, bench.kafka, server.topic, *topics)
            finally:
                await players.close()
