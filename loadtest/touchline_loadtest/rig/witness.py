"""The witness: reads the whole log after a test, with a client that is not ours, and writes what it held.

It reads records by their documented form alone, not by the code that the server reads them with: a mistake in that
code must not hide itself.
"""

from typing import Any, NamedTuple, TypeAlias

import msgspec
from aiokafka import ConsumerRecord

from touchline_loadtest.checks.actions import ActionEntry, LoggedAction, Verdict
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import TopicFacts
from touchline_loadtest.checks.values import value_of
from touchline_loadtest.runs.history.log_writer import LogWriter

from .log_reader import records_of
from .topics import RunTopics

Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"

KEY_HEADER = "key"
REPLAY_RECORDS_MAX = 50_000
"""The server's ``replay_records_max``, by default."""


class Held(NamedTuple):
    """How many records of each kind the log held."""

    events: int
    actions: int
    verdicts: int


async def write_log(address: str, topics: RunTopics, log: LogWriter) -> Held:
    """Read all topics of a run, from their beginnings to their ends, and write them.

    Raises:
        OperatorError: the broker cannot be read.
    """
    feeds = {topic: feed for feed, topic in topics.feeds.items()}
    counts = dict.fromkeys((*feeds, topics.actions, topics.verdicts), 0)
    for topic in feeds:
        log.topic(topic, TopicFacts(reach=REPLAY_RECORDS_MAX))
    async for record in records_of(address, list(counts)):
        counts[record.topic] += 1
        if record.topic == topics.actions:
            log.action(_action(record))
        elif record.topic == topics.verdicts:
            log.verdict(_verdict(record))
        else:
            log.append(LogId(record.topic, 0, record.partition), *event_of(feeds[record.topic], record))
    return Held(sum(counts[topic] for topic in feeds), counts[topics.actions], counts[topics.verdicts])


def event_of(feed: str, record: Record) -> tuple[str, Entry]:
    """The event's room, and its place in the log."""
    key = next((value.decode() for name, value in record.headers if name == KEY_HEADER), None)
    data = _decoded(record.value)
    removal = key is not None and data is None
    entry = Entry(record.offset, value_of(key, data, record.timestamp), key, removal, record.timestamp)
    return f"{feed}:{(record.key or b'').decode()}", entry


def _action(record: Record) -> LoggedAction:
    action = _decoded(record.value)
    entry = ActionEntry(
        (record.key or b"").decode(),
        action["session"],
        action["id"],
        action["kind"],
        value_of(action["kind"], action.get("data")),
        action["room"],
    )
    return LoggedAction(entry, record.offset)


def _verdict(record: Record) -> Verdict:
    verdict = _decoded(record.value) or {"kind": "pardon"}
    return Verdict((record.key or b"").decode(), verdict["kind"], record.timestamp, verdict.get("until"))


def _decoded(value: bytes | None) -> Any:
    return None if value is None else msgspec.json.decode(value)
