"""``touchline topics``: the topics of the configured feeds, of actions and of verdicts."""

import asyncio
from typing import Annotated

import typer

from touchline_protocol.errors import OperatorError
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.core.log import NOT_COMPACTED, Log, ReadRefused, TopicMissing, TopicOpened
from touchline_server.log.open import SQLITE, make_log, require_log_file

from .options import ConfigOption, LogOption
from .output import write_line
from .signals import run_to_end

PARTITIONS = 8
"""Default for a new topic: leaves room to add brokers. More can be added to a feed's topic later, but not to the topic
of actions while players act."""

CREATED, EXISTS = "created", "exists"

FIXED = "do not add partitions while players act: see Operating it in README.md"
"""A topic of actions with more partitions than before has lost the order of the players that moved."""

LOOK_TIMEOUT_S = 20.0
"""A log that has not reported its topics by then has a problem."""

NO_OFFSET_MS = 1 << 52
"""A time later than any record: topics are looked at, not read."""


def topics(
    create: Annotated[bool, typer.Option("--create", help="Create those that do not exist.")] = False,
    partitions: Annotated[
        int | None, typer.Option(min=1, help=f"Partitions of a new topic in Kafka.  [default: {PARTITIONS}]")
    ] = None,
    replication: Annotated[
        int | None, typer.Option(min=1, help="Copies of a new topic, at most one per broker.  [default: 1]")
    ] = None,
    log: LogOption = None,
    config: ConfigOption = None,
) -> None:
    """List or create the topics that a server needs.

    These are the topics of the feeds, of actions and of verdicts. Without --create the command reports which of them
    exist; with --create it creates those that do not.

    Do not add partitions to the topic of actions while players act: the order of the actions of players that move
    would be lost. Choose enough when you create it. The section "Operating it" of README.md says more.
    """
    settings = load_settings(config, {"log": log})
    if settings.log.startswith(SQLITE):
        _refuse_for_embedded(partitions, replication)
    work = _create(settings, partitions or PARTITIONS, replication or 1) if create else _look(settings)
    for topic, status in run_to_end(work).items():
        write_line(f"{topic}: {status}".encode())


def _refuse_for_embedded(partitions: int | None, replication: int | None) -> None:
    if partitions is not None:
        text = "an embedded log takes its partitions from sqlite.partitions or TOUCHLINE_SQLITE__PARTITIONS"
        raise OperatorError(f"--partitions is for Kafka: {text}")
    if replication is not None:
        raise OperatorError("--replication is for Kafka: an embedded log is a single file")


async def _create(settings: Settings, partitions: int, replication: int) -> dict[str, str]:
    names = _names(settings)
    log = make_log(settings)
    try:
        await log.open([], since_ms=NO_OFFSET_MS)
        created = await log.create_topics(
            names, partitions=partitions, replication=replication, compacted=[settings.verdicts.topic]
        )
        found = {name: CREATED if name in created else EXISTS for name in names}
        return await _with_notes(log, settings, found)
    finally:
        await log.close()


async def _look(settings: Settings) -> dict[str, str]:
    require_log_file(settings.log)
    log = make_log(settings)
    try:
        await log.open(_names(settings), since_ms=NO_OFFSET_MS)
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            return await _with_notes(log, settings, await _found(log, _names(settings)))
    except TimeoutError:
        raise OperatorError(f"the log did not report its topics within {LOOK_TIMEOUT_S:g} s") from None
    finally:
        await log.close()


async def _found(log: Log, names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    while len(found) < len(names):
        for event in await log.poll():
            if isinstance(event, TopicOpened):
                found[event.topic] = f"{EXISTS}, {len(event.starts)} partition{'s' if len(event.starts) > 1 else ''}"
            elif isinstance(event, ReadRefused):
                found[event.topic] = event.why
            elif isinstance(event, TopicMissing):
                found[event.topic] = "does not exist; touchline topics --create creates it"
    return {name: found[name] for name in names}


async def _with_notes(log: Log, settings: Settings, found: dict[str, str]) -> dict[str, str]:
    """``found``, with what an operator has to know about the topics of actions and of verdicts."""
    notes: dict[str, str] = {}
    if found[settings.actions.topic].startswith((CREATED, EXISTS)) and not settings.log.startswith(SQLITE):
        notes[settings.actions.topic] = FIXED
    if await log.deletes_old(settings.verdicts.topic):
        notes[settings.verdicts.topic] = NOT_COMPACTED
    return {name: f"{status}, {notes[name]}" if name in notes else status for name, status in found.items()}


def _names(settings: Settings) -> list[str]:
    feeds = [feed.topic for feed in settings.feeds.values()]
    return [*feeds, settings.actions.topic, settings.verdicts.topic]
