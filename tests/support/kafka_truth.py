"""What topics hold, in the form that the checker compares clients with. Read by a client that is not ours."""

from collections.abc import Mapping

from touchline_loadtest.checks.partition_log import LogId
from touchline_loadtest.checks.room_log import NOTHING_HAPPENED, TopicFacts
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.rig.log_reader import records_of
from touchline_loadtest.rig.witness import event_of

PARTITION_BITS = 32
"""For the offset below the partition's number, in an order of all records."""


async def read_log(
    address: str,
    feeds: Mapping[str, str],
    facts: TopicFacts = NOTHING_HAPPENED,
    *,
    clocks_differ: bool = False,
) -> RunLog:
    """All events of some feeds, given as their names and topics; each is known by its digest.

    ``clocks_differ``: the timestamps do not show in which order a room was in its partitions: it was in the one with
    the lower number first.
    """
    log = RunLog()
    await add_log(log, address, feeds, facts, clocks_differ=clocks_differ)
    return log


async def add_log(
    log: RunLog,
    address: str,
    feeds: Mapping[str, str],
    facts: TopicFacts = NOTHING_HAPPENED,
    *,
    generation: int = 0,
    clocks_differ: bool = False,
) -> None:
    """Add what topics hold now. ``generation`` counts how often they were created again."""
    names = {topic: feed for feed, topic in feeds.items()}
    for topic in names:
        log.topic(topic, facts._replace(timed=not clocks_differ))
    async for record in records_of(address, list(names)):
        room, entry = event_of(names[record.topic], record)
        if clocks_differ:
            entry = entry._replace(order=(record.partition << PARTITION_BITS) + record.offset)
        log.append(LogId(record.topic, generation, record.partition), room, entry)
