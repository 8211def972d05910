"""A server that takes actions, with topics of its own, and players; and what all measurements of actions do."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from .action_log import Compared, Session, compare, read_actions
from .fed import touchline_fed
from .kafka import FEED, new_topic
from .measuring import Bench
from .players import Players
from .processes import Server

ROOM = f"{FEED}:1"
PARTITIONS = 8
NO_LIMIT = "1000000"
"""Of a player's actions in a second: what is measured is what the server can take, not what it would."""
COMPACTED = {"cleanup.policy": "compact"}


class Acted(NamedTuple):
    """``events``, ``actions`` and ``verdicts`` are the names of topics at the broker with the address ``kafka``."""

    server: Server
    players: Players
    kafka: str
    events: str
    actions: str
    verdicts: str


@contextlib.asynccontextmanager
async def touchline_acted(
    bench: Bench, data_bytes: int, *, variables: Mapping[str, str] | None = None
) -> AsyncIterator[Acted]:
    """Run ``touchline serve`` on the broker of ``bench``, with no players yet, whose actions have ``data_bytes``."""
    assert bench.kafka is not None  # noqa: S101 - the registry sees to it
    secret = secrets.token_hex()
    async with (
        new_topic(bench.kafka, PARTITIONS) as actions,
        new_topic(bench.kafka, PARTITIONS, configs=COMPACTED) as verdicts,
    ):
        settings = {
            "TOUCHLINE_AUTH__HS256_SECRET": secret,
            "TOUCHLINE_ACTIONS__TOPIC": actions.name,
            "TOUCHLINE_ACTIONS__PER_SECOND_MAX": NO_LIMIT,
            "TOUCHLINE_ACTIONS__BURST": NO_LIMIT,
            "TOUCHLINE_VERDICTS__TOPIC": verdicts.name,
        }
        async with touchline_fed(bench, variables=settings | dict(variables or {})) as fed:
            players = Players(fed.port, secret, ROOM, data_bytes)
            try:
                yield Acted(fed.server, players, bench.kafka, fed.topic, actions.name, verdicts.name)
            finally:
                await players.close()


async def compared(acted: Acted) -> Compared:
    """What the log lacks of what was acknowledged, all of which has to be in it."""
    acked = {Session(p.acting.player, p.acting.session): p.acting.acked for p in acted.players.all}
    return compare(await read_actions(acted.kafka, acted.actions), acked)
