"""``touchline topics``: the topics of the configured feeds, of actions, of verdicts, and of presence if it is recorded.

Without ``--create`` it only looks: nothing is created or changed, and the exit code says whether everything is there.
"""

import asyncio
from typing import Annotated, TypeAlias

import typer

from touchline_cli.output import write_line
from touchline_cli.run import run_to_end
from touchline_protocol.errors import OperatorError
from touchline_server.cli.exit_codes import NOT_FOUND
from touchline_server.cli.options import ConfigOption, LogOption
from touchline_server.config.conflicts import topic_conflicts
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.core.log import NOT_COMPACTED, Log, ReadRefused, TopicMissing, TopicOpened
from touchline_server.log.open import SQLITE, copies, existing_file, make_log
from touchline_server.log.sqlite.look import partition_counts
from touchline_server.server_log.setup import command_notes

from .report import FIXED, MISSING, TopicReport, copies_note, exists

PARTITIONS = 8
"""Default for a new topic: leaves room to add brokers. More can be added to a feed's topic later, but not to the topic
of actions while players act."""

LOOK_TIMEOUT_S = 20.0
"""A log that has not reported its topics by then has a problem."""

NO_OFFSET_MS = 1 << 52
"""A time later than any record: topics are looked at, not read."""

Reports: TypeAlias = dict[str, TopicReport]
"""The reports of topics, by name."""


def topics(
    create: Annotated[bool, typer.Option("--create", help="Create those that do not exist.")] = False,
    partitions: Annotated[
        int | None, typer.Option(min=1, help=f"Partitions of a new topic in Kafka.  [default: {PARTITIONS}]")
    ] = None,
    replication: Annotated[
        int | None, typer.Option(min=1, help="Copies of a new topic, at most one per broker.  [default: Kafka's own]")
    ] = None,
    log: LogOption = None,
    config: ConfigOption = None,
) -> None:
    """List or create the topics that a server needs.

    These are the topics of the feeds, of actions and of verdicts, and of presence if presence.records is set. Without
    --create the command reports which of them exist, and exits with 1 if one is missing or cannot be read. With
    --create it creates those that do not exist. Kafka decides how many copies it keeps of a new topic
    (default.replication.factor), unless --replication does.

    Do not add partitions to the topic of actions while players act: the order of the actions of players that move
    would be lost. Choose enough when you create it. docs/operations.md says more.
    """
    settings = load_settings(config, {"log": log})
    is_embedded = settings.log.startswith(SQLITE)
    if is_embedded:
        _refuse_for_embedded(partitions, replication)
    with command_notes():
        if create:
            reports = run_to_end(_create(settings, partitions or PARTITIONS, replication))
        elif is_embedded:
            reports = _look_into_file(settings)
        else:
            reports = run_to_end(_look(settings))
    for topic, report in reports.items():
        write_line(report.line(topic).encode())
    if not all(report.is_usable for report in reports.values()):
        raise typer.Exit(NOT_FOUND)


def _refuse_for_embedded(partitions: int | None, replication: int | None) -> None:
    if partitions is not None:
        text = "an embedded log takes its partitions from sqlite.partitions or TOUCHLINE_SQLITE__PARTITIONS"
        raise OperatorError(f"--partitions is for Kafka: {text}")
    if replication is not None:
        raise OperatorError("--replication is for Kafka: an embedded log is a single file")


async def _create(settings: Settings, partitions: int, replication: int | None) -> Reports:
    names = _names(settings)
    log = make_log(settings)
    try:
        await log.open([], since_ms=NO_OFFSET_MS)
        created = await log.create_topics(
            names, partitions=partitions, replication=replication, compacted=[settings.verdicts.topic]
        )
        found = {name: TopicReport("created" if name in created else "exists", is_usable=True) for name in names}
        return await _with_notes(log, settings, found)
    finally:
        await log.close()


def _look_into_file(settings: Settings) -> Reports:
    """The topics of an embedded log. One in memory has all of them as soon as it is opened, and nobody else's."""
    file = existing_file(settings.log)
    counts = dict.fromkeys(_names(settings), settings.sqlite.partitions) if file is None else partition_counts(file)
    return {name: exists(counts[name]) if name in counts else MISSING for name in _names(settings)}


async def _look(settings: Settings) -> Reports:
    names = _names(settings)
    log = make_log(settings, only_read=True)
    try:
        await log.open(names, since_ms=NO_OFFSET_MS)
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            return await _with_notes(log, settings, await _found(log, names))
    except TimeoutError:
        raise OperatorError(f"the log did not report its topics within {LOOK_TIMEOUT_S:g} s") from None
    finally:
        await log.close()


async def _found(log: Log, names: list[str]) -> Reports:
    found: Reports = {}
    while len(found) < len(names):
        for event in await log.poll():
            if isinstance(event, TopicOpened):
                found[event.topic] = exists(len(event.starts))
            elif isinstance(event, ReadRefused):
                found[event.topic] = TopicReport(event.why, is_usable=False)
            elif isinstance(event, TopicMissing):
                found[event.topic] = MISSING
    return {name: found[name] for name in names}


async def _with_notes(log: Log, settings: Settings, found: Reports) -> Reports:
    """``found``, with what an operator has to know about the topics that exist."""
    usable = [name for name, report in found.items() if report.is_usable]
    replicated = await copies(log, usable)
    notes = {name: [copies_note(replicated.get(name))] for name in usable}
    if not settings.log.startswith(SQLITE) and settings.actions.topic in notes:
        notes[settings.actions.topic].append(FIXED)
    options = await log.topic_options(usable)
    if (verdicts := options.get(settings.verdicts.topic)) is not None and verdicts.deletes_old:
        notes[settings.verdicts.topic].append(NOT_COMPACTED)
    for conflict in topic_conflicts(settings, {name: each.record_bytes_max for name, each in options.items()}):
        notes[conflict.topic].append(conflict.message)
    return {name: report.with_notes(notes.get(name, ())) for name, report in found.items()}


def _names(settings: Settings) -> list[str]:
    feeds = [feed.topic for feed in settings.feeds.values()]
    return list(dict.fromkeys([*feeds, *settings.own_topics.values()]))
