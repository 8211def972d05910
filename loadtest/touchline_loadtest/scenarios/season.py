"""A day of a season, compressed into ten minutes: rooms and clients come and go, and memory must not grow."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from touchline_loadtest.clients.visitors import CLOSE_FRAME, SILENCE, Visitors
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.observation import Sample, observe, open_connections, viewers
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.publish.keyed_publisher import KEY_FIELD, KeyedPublisher
from touchline_loadtest.publish.matches import MatchSchedule

NAME = "season"
SPEED = 144
"""A day in ten minutes. All settings that depend on time are sped up alike."""
WINDOW_S = 600.0
RETENTION_S = 7 * 24 * 3600.0
"""The server's defaults, which are divided by `SPEED`."""
ROOM_IDLE_S = 3600.0
"""Not the default, which is a day: within one day no room would ever be forgotten, and memory would grow with each."""
KEYS = ("clock", "score", "cards", None)
SEED = 1
SAMPLE_INTERVAL_S = 1.0
SETTLE_SHARE = 0.1
"""The first tenth of the time fills the windows. The memory of the second tenth is what the end is compared with."""
LAST_SHARE = 0.25
GROWTH_PERCENT_MAX = 5
EMPTY_TIMEOUT_S = 10.0
POLL_S = 0.1


class Sizes(msgspec.Struct, frozen=True):
    """200 clients, 10 matches at a time of 20 s (48 minutes of the season) with 25 events/s each."""

    clients: int = 200
    rooms: int = 10
    rate_hz: float = 25.0
    event_bytes: int = 200
    match_s: float = 20.0
    seconds: float = 600.0


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(f"{NAME}: takes {sizes.seconds:g} s")
    chance = Random(SEED)  # noqa: S311 - not a secret
    with tempfile.TemporaryDirectory(prefix="touchline-bench-") as folder:
        log = f"sqlite://{Path(folder) / 'log.db'}"
        async with server_under_test(bench, log=log, variables=compressed(), key_field=KEY_FIELD) as server:
            schedule = MatchSchedule(
                KeyedPublisher(server.publish, KEYS),
                chance,
                rate_hz=sizes.rate_hz,
                event_bytes=sizes.event_bytes,
                match_s=sizes.match_s,
            )
            visitors = Visitors(server.port, schedule, chance)
            async with observe(server.process, SAMPLE_INTERVAL_S) as samples, asyncio.TaskGroup() as group:
                group.create_task(schedule.play(sizes.rooms, sizes.seconds))
                group.create_task(visitors.come_and_go(sizes.clients))
            left_open = await _left_open(server.port)
            still_in = await viewers(server.control_port, [match.room for match in schedule.played])
    return Result(
        scenario=NAME,
        rows=[
            *_memory(samples, sizes.seconds),
            *_traffic(schedule, visitors),
            *_correctness(visitors),
            Row("connections left open", left_open, "", Bound("=", 0)),
            Row("clients still counted in rooms", still_in, "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=_notes(server.note, schedule, visitors),
    )


def compressed() -> dict[str, str]:
    """The settings that depend on the season's time."""
    return {
        "TOUCHLINE_WINDOW_S": str(WINDOW_S / SPEED),
        "TOUCHLINE_ROOM_IDLE_S": str(ROOM_IDLE_S / SPEED),
        "TOUCHLINE_SQLITE__RETENTION_S": str(RETENTION_S / SPEED),
    }


async def _left_open(port: int) -> int:
    """The connections that the server still holds some time after all clients have left."""
    deadline_s = time.monotonic() + EMPTY_TIMEOUT_S
    while left := open_connections(port):
        if time.monotonic() > deadline_s:
            break
        await asyncio.sleep(POLL_S)
    return left


def _memory(samples: Sequence[Sample], seconds: float) -> list[Row]:
    early_kib = _highest_kib(samples, SETTLE_SHARE * seconds, 2 * SETTLE_SHARE * seconds)
    late_kib = _highest_kib(samples, (1 - LAST_SHARE) * seconds, seconds)
    return [
        Row("memory in the second minute", early_kib / 1024, "MiB"),
        Row("memory in the last quarter", late_kib / 1024, "MiB"),
        Row("growth", (late_kib - early_kib) / early_kib * 100, "%", Bound("<=", GROWTH_PERCENT_MAX)),
    ]


def _highest_kib(samples: Sequence[Sample], from_s: float, to_s: float) -> int:
    """The highest memory between two times; the last sample before them counts too."""
    last_before = max((sample.at_s for sample in samples if sample.at_s <= from_s), default=0.0)
    return max(sample.own_kib for sample in samples if last_before <= sample.at_s <= to_s)


def _traffic(schedule: MatchSchedule, visitors: Visitors) -> list[Row]:
    leaves = sum(visitors.exits.values())
    return [
        Row("rooms", len(schedule.played), ""),
        Row("joins", visitors.joins, ""),
        Row("joins with a cursor", sum(check.resumed for check in visitors.checks), ""),
        Row("leaves", leaves, ""),
        Row("leaves without a close frame", leaves - visitors.exits[CLOSE_FRAME], ""),
        Row("events published", schedule.publisher.events, ""),
        Row("events delivered", sum(check.events for check in visitors.checks), ""),
    ]


def _correctness(visitors: Visitors) -> list[Row]:
    breaches = [breach for check in visitors.checks for breach in check.breaches]
    return [
        Row("clients that lack a match's end", visitors.lacking, "", Bound("=", 0)),
        Row("breaches", len(breaches), "", Bound("=", 0)),
        Row("cursors not honoured", sum(breach.kind == "lost_cursor" for breach in breaches), "", Bound("=", 0)),
        Row("clients lost", len(visitors.lost), "", Bound("=", 0)),
    ]


def _notes(server_note: str, schedule: MatchSchedule, visitors: Visitors) -> list[str]:
    settings = ", ".join(f"{name}={value}" for name, value in compressed().items())
    lost = [f"the first client that was lost: {visitors.lost[0]}"] if visitors.lost else []
    return [
        f"{server_note}; 24 hours in 10 minutes, so times are {SPEED} times shorter: {settings}; all other settings "
        "have their defaults",
        "memory is the process's anonymous memory (RssAnon), sampled every second: the highest of the last quarter is "
        "compared with the highest of the second tenth; a room without clients and events is forgotten after an hour "
        "of the season instead of the default day, in which no room would be forgotten",
        f"{visitors.exits[SILENCE]} of the clients just stopped reading, and their connections were cut later; the "
        f"publisher was up to {schedule.publisher_late_s * 1000:.1f} ms late",
        *lost,
    ]
