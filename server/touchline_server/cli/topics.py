"""``touchline topics``: the topics of the configured feeds, of actions and of verdicts."""

import asyncio
from typing import Annotated

import typer

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.core.log import NOT_COMPACTED, Log, TopicMissing, TopicOpened
from touchline_server.log.open import SQLITE, make_log

from .options import ConfigOption, LogOption, log_settings
from .output import write_line
from .signals import run_to_end

PARTITIONS = 8
"""Of a topic that is made, unless told: room to add edges and brokers; more can be added later."""

LOOK_SECONDS_MAX = 20.0
"""A log that has not said by then whether it has the topics is in trouble."""

NO_OFFSET_MS = 1 << 52
"""A time that no record has reached: topics are looked at, not read."""


def topics(
    create: Annotated[bool, typer.Option("--create", help="Make those that do not exist.")] = False,
    partitions: Annotated[
        int | None, typer.Option(min=1, help=f"Of a topic that is made in Kafka.  [default: {PARTITIONS}]")
    ] = None,
    replication: Annotated[
        int | None, typer.Option(min=1, help="Copies of a topic that is made: at most one a broker.  [default: 1]")
    ] = None,
    log: LogOption = None,
    config: ConfigOption = None,
) -> None:
    """List the topics of feeds, actions and verdicts, or make them.

    Tells of each whether it exists; with --create those that do not are made.
    """
    settings = log_settings(log, config)
    if settings.log.startswith(SQLITE):
        _refuse_for_embedded(partitions, replication)
    work = _create(settings, partitions or PARTITIONS, replication or 1) if create else _look(settings)
    for topic, what in run_to_end(work).items():
        write_line(f"{topic}: {what}".encode())


def _refuse_for_embedded(partitions: int | None, replication: int | None) -> None:
    if partitions is not None:
        text = "the partitions of an embedded log are the setting sqlite.partitions, or TOUCHLINE_SQLITE__PARTITIONS"
        raise OperatorError(f"--partitions is for Kafka: {text}")
    if replication is not None:
        raise OperatorError("--replication is for Kafka: an embedded log is one file, without copies")


async def _create(settings: Settings, partitions: int, replication: int) -> dict[str, str]:
    names = _names(settings)
    log = make_log(settings)
    try:
        await log.open([], since_ms=NO_OFFSET_MS)
        made = await log.create_topics(
            names, partitions=partitions, replication=replication, compacted=[settings.verdicts.topic]
        )
        found = {name: "created" if name in made else "exists" for name in names}
        return await _judged(log, settings, found)
    finally:
        await log.close()


async def _look(settings: Settings) -> dict[str, str]:
    log = make_log(settings)
    try:
        await log.open(_names(settings), since_ms=NO_OFFSET_MS)
        async with asyncio.timeout(LOOK_SECONDS_MAX):
            return await _judged(log, settings, await _found(log, _names(settings)))
    except TimeoutError:
        raise OperatorError(f"the log did not say within {LOOK_SECONDS_MAX:g} s whether it has the topics") from None
    finally:
        await log.close()


async def _found(log: Log, names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    while len(found) < len(names):
        for event in await log.poll():
            if isinstance(event, TopicOpened):
                found[event.topic] = f"exists, {len(event.starts)} partition{'s' if len(event.starts) > 1 else ''}"
            elif isinstance(event, TopicMissing):
                found[event.topic] = "does not exist; touchline topics --create makes it"
    return {name: found[name] for name in names}


async def _judged(log: Log, settings: Settings, found: dict[str, str]) -> dict[str, str]:
    """``found``, and of the topic of verdicts whether it keeps them."""
    topic = settings.verdicts.topic
    return {**found, topic: f"{found[topic]}, {NOT_COMPACTED}"} if await log.deletes_old(topic) else found


def _names(settings: Settings) -> list[str]:
    feeds = [feed.topic for feed in settings.feeds.values()]
    return [*feeds, settings.actions.topic, settings.verdicts.topic]
