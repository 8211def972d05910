"""State from before the window: how long a server reads a day of matches back at its start, and the memory it takes.

A topic is filled with records stamped over a day, most of them older than the server's window, and a server is started
on it. It accepts clients once it has read the topic back. The time of a start with an empty topic is subtracted.
"""

import random
import time
from collections.abc import Iterator

import msgspec

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.kafka_topics import new_topic
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import feed_variables
from touchline_loadtest.measure.touchline import serve
from touchline_loadtest.publish.older import OlderRecord, write_older
from touchline_loadtest.wire.event_values import event_value

NAME = "state"
PARTITIONS = 4
DAY_MS = 24 * 3_600_000
KEYS = 100
"""Keys of a match: its score, its clock, its players."""
NO_LIMIT = {"TOUCHLINE_STATE_START_S_MAX": "600"}
"""So that the whole topic is read, however long that takes."""


class Sizes(msgspec.Struct, frozen=True):
    """200,000 records of 200 bytes in 50 matches, each with a hundred keys."""

    records: int = 200_000
    matches: int = 50
    event_bytes: int = 200


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    assert bench.kafka is not None  # noqa: S101 - the registry says that it needs one
    url = f"kafka://{bench.kafka}"
    async with new_topic(bench.kafka, PARTITIONS) as empty, new_topic(bench.kafka, PARTITIONS) as full:
        bench.say(f"{NAME}: filling the topic")
        for partition in range(PARTITIONS):
            await write_older(bench.kafka, full, partition, _records(sizes, partition))
        bench.say(f"{NAME}: starting")
        empty_s, empty_cpu_s, empty_kib = await _start(bench, url, empty)
        full_s, cpu_s, full_kib = await _start(bench, url, full)
    read_s = full_s - empty_s
    return Result(
        scenario=NAME,
        rows=[
            Row("time to ready", full_s, "s"),
            Row("records/s", sizes.records / read_s, "/s", Bound(">=", 100_000)),
            Row("server's CPU per record", (cpu_s - empty_cpu_s) / sizes.records * 1e6, "us"),
            Row("memory with an empty topic", empty_kib / 1024, "MiB"),
            Row("memory with its state", full_kib / 1024, "MiB"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"{PARTITIONS} partitions, {KEYS} keys in each match; state_start_s_max is raised so that all is read",
            "the server's process has its own memory counted (RssAnon), when it has just become ready",
        ],
    )


def _records(sizes: Sizes, partition: int) -> Iterator[OlderRecord]:
    """A partition's share: every fourth match, over a day."""
    chance = random.Random(partition)  # noqa: S311 - it only has to be the same each time
    matches = [b"%d" % number for number in range(partition, sizes.matches, PARTITIONS)]
    keys = [b"key-%d" % number for number in range(KEYS)]
    count = sizes.records // PARTITIONS
    began_ms = time.time_ns() // 1_000_000 - DAY_MS
    for number in range(count):
        value = event_value(number, sizes.event_bytes)
        timestamp = began_ms + number * DAY_MS // count
        yield OlderRecord(timestamp, chance.choice(matches), chance.choice(keys), value)


async def _start(bench: Bench, url: str, topic: str) -> tuple[float, float, int]:
    """Start a server; returns how long that took, in all and of its CPU, and its memory in KiB."""
    began_s = time.monotonic()
    async with serve(bench, log=url, variables={**feed_variables(topic), **NO_LIMIT}) as (process, _, _):
        return time.monotonic() - began_s, process.cpu_s(), process.own_memory_kib()
