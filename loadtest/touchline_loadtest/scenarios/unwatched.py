"""Records that nobody watches: how fast a server reads a log, when it starts and for quiet rooms.

A log is filled, and a server is started on it; it accepts clients once it has read the whole log. The time of a start
with an empty log is subtracted. The log is Kafka if a broker is named, else a SQLite file.
"""

import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.kafka_topics import new_topic
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import feed_variables
from touchline_loadtest.measure.touchline import serve
from touchline_loadtest.publish.pace import publish_quickly
from touchline_loadtest.publish.publisher import FEED, http_publisher, kafka_publisher

NAME = "unwatched"
PARTITIONS = 8


class Sizes(msgspec.Struct, frozen=True):
    """300,000 records of 200 bytes in 100 rooms."""

    records: int = 300_000
    rooms: int = 100
    event_bytes: int = 200
    runs: int = 3


class _Log(NamedTuple):
    url: str
    variables: dict[str, str]


class _Start(NamedTuple):
    wall_s: float
    cpu_s: float


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    async with _logs(bench, sizes) as (empty, full):
        empty_starts, full_starts = [], []
        for number in range(sizes.runs):
            bench.say(f"{NAME}: run {number + 1} of {sizes.runs}")
            empty_starts.append(await _start(bench, empty))
            full_starts.append(await _start(bench, full))
    wall_s = _median(full_starts, 0) - _median(empty_starts, 0)
    cpu_s = _median(full_starts, 1) - _median(empty_starts, 1)
    return Result(
        scenario=NAME,
        rows=[
            Row("records/s", sizes.records / wall_s, "/s", Bound(">=", 100_000) if bench.kafka else None),
            Row("server's CPU per record", cpu_s / sizes.records * 1e6, "us"),
            Row("start with an empty log", _median(empty_starts, 0), "s"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"from Kafka ({PARTITIONS} partitions)"
            if bench.kafka
            else "from a SQLite file; the bound applies to Kafka: name a broker with --kafka host:port"
        ],
    )


def _median(starts: list[_Start], field: int) -> float:
    return statistics.median(start[field] for start in starts)


async def _start(bench: Bench, log: _Log) -> _Start:
    """Start a server, which prints its addresses once it has read its log."""
    began_s = time.monotonic()
    async with serve(bench, log=log.url, variables=log.variables) as (process, _, _):
        return _Start(time.monotonic() - began_s, process.cpu_s())


@contextlib.asynccontextmanager
async def _logs(bench: Bench, sizes: Sizes) -> AsyncIterator[tuple[_Log, _Log]]:
    """An empty log, and one with the records."""
    rooms = [f"{FEED}:{number}" for number in range(sizes.rooms)]
    bench.say(f"{NAME}: filling the log")
    if bench.kafka:
        async with new_topic(bench.kafka, PARTITIONS) as empty, new_topic(bench.kafka, PARTITIONS) as full:
            async with kafka_publisher(bench.kafka, full) as publish:
                await publish_quickly(publish, rooms, count=sizes.records, size_bytes=sizes.event_bytes)
            url = f"kafka://{bench.kafka}"
            yield _Log(url, feed_variables(empty)), _Log(url, feed_variables(full))
        return
    with tempfile.TemporaryDirectory(prefix="touchline-bench-") as folder:
        empty_log, full_log = (_Log(f"sqlite://{Path(folder) / name}.db", {}) for name in ("empty", "full"))
        async with (
            serve(bench, log=full_log.url, pinned=False) as (_, _, control_port),
            http_publisher(control_port) as publish,
        ):
            await publish_quickly(publish, rooms, count=sizes.records, size_bytes=sizes.event_bytes)
        yield empty_log, full_log
