"""``touchline topics``: the topics of the configured feeds, of actions, of verdicts, and of presence if it is recorded.

Without ``--create`` it only looks: nothing is created or changed, and the exit code says whether everything is there.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from touchline_cli.output import write_line
from touchline_cli.run import run_to_end
from touchline_protocol.errors import LogUnavailable, OperatorError
from touchline_server.cli.exit_codes import NOT_FOUND
from touchline_server.cli.options import ConfigOption, LogOption
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.config.workers import is_embedded
from touchline_server.doctor.facts import KafkaFacts
from touchline_server.doctor.probes.kafka import look_at_kafka
from touchline_server.doctor.rules.topics import uses
from touchline_server.log.open import existing_file, make_log
from touchline_server.log.sqlite.look import partition_counts
from touchline_server.server_log.setup import command_notes

from .report import TopicsReport, report_of_file, report_of_kafka

PARTITIONS = 8
"""Default for a new topic: leaves room to add brokers. More can be added to a feed's topic later, but not to the topic
of actions while players act."""

SETTLE_S = 5.0
"""How long the brokers may take until each knows the topics that were just created."""
LOOK_PAUSE_S = 0.1

NO_OFFSET_MS = 1 << 52
"""A time later than any record: topics are looked at, not read."""


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

    These are the topics of the feeds, of actions and of verdicts, and of presence if presence.records is set. With
    --create the command creates those that do not exist. It reports what is wrong with topics, as touchline doctor
    does, and exits with 1 if there is an error. Kafka decides how many copies it keeps of a new topic
    (default.replication.factor), unless --replication does.

    Do not add partitions to the topic of actions while players act: the order of the actions of players that move
    would be lost. Choose enough when you create it. docs/operations.md says more.
    """
    settings = load_settings(config, {"log": log})
    embedded = is_embedded(settings.log)
    if embedded:
        _refuse_for_embedded(partitions, replication)
    with command_notes():
        make_log(settings, only_read=not create)  # refuses an address that is not a log's
        if embedded:
            report = _embedded(settings, create=create)
        else:
            looked = _kafka(settings, create=create, partitions=partitions or PARTITIONS, replication=replication)
            report = run_to_end(looked)
    write_line(report.text().encode())
    if report.has_error:
        raise typer.Exit(NOT_FOUND)


def _refuse_for_embedded(partitions: int | None, replication: int | None) -> None:
    if partitions is not None:
        text = "an embedded log takes its partitions from sqlite.partitions or TOUCHLINE_SQLITE__PARTITIONS"
        raise OperatorError(f"--partitions is for Kafka: {text}")
    if replication is not None:
        raise OperatorError("--replication is for Kafka: an embedded log is a single file")


def _embedded(settings: Settings, *, create: bool) -> TopicsReport:
    """The topics of an embedded log. One in memory has all of them as soon as it is opened, and nobody else's."""
    if create:
        run_to_end(_create(settings, PARTITIONS, None))
    file = existing_file(settings.log)
    names = uses(settings, acting=True)
    counts = dict.fromkeys(names, settings.sqlite.partitions) if file is None else partition_counts(file)
    return report_of_file(names, counts)


async def _kafka(settings: Settings, *, create: bool, partitions: int, replication: int | None) -> TopicsReport:
    created = await _create(settings, partitions, replication) if create else []
    facts = await _look(settings, created)
    if facts.trouble is not None:
        raise OperatorError(facts.trouble.text) if facts.trouble.is_refusal else LogUnavailable(facts.trouble.text)
    return report_of_kafka(settings, facts, created)


async def _create(settings: Settings, partitions: int, replication: int | None) -> Sequence[str]:
    """Create the topics that do not exist; returns the names of those."""
    log = make_log(settings)
    try:
        await log.open([], since_ms=NO_OFFSET_MS)
        return await log.create_topics(
            list(uses(settings, acting=True)),
            partitions=partitions,
            replication=replication,
            compacted=[settings.verdicts.topic],
        )
    finally:
        await log.close()


async def _look(settings: Settings, created: Sequence[str]) -> KafkaFacts:
    """The facts about the topics. Brokers learn of those that were ``created`` one after the other."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        facts = await look_at_kafka(settings, list(uses(settings, acting=True)))
        found = [facts.topics.get(name) for name in created]
        settled = all(topic is not None and topic.partitions and not topic.without_leader for topic in found)
        if settled or facts.trouble is not None or time.monotonic() > deadline:
            return facts
        await asyncio.sleep(LOOK_PAUSE_S)
