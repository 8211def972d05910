"""A day of a season, squeezed into ten minutes: rooms and clients come and go, and memory stays what it was."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from touchline_loadtest.fed import touchline_fed
from touchline_loadtest.keyed import KEY_FIELD, Keyed
from touchline_loadtest.matches import Matches
from touchline_loadtest.measuring import Bench
from touchline_loadtest.observing import Sample, observed, open_connections, viewers
from touchline_loadtest.results import Bound, Result, Row
from touchline_loadtest.visitors import GOODBYE, SILENT, Visitors

NAME = "season"
SQUEEZE = 144
"""A day in ten minutes. What the server does by the hour it has to do by the second, too."""
WINDOW_S = 600.0
RETENTION_S = 7 * 24 * 3600.0
"""The server's defaults, which are squeezed as well."""
ROOM_IDLE_S = 3600.0
"""Not the default, which is a day: in a season of a day no room would ever be forgotten, and memory grow by each."""
KEYS = ("clock", "score", "cards", None)
SEED = 1
LOOK_EVERY_S = 1.0
SETTLE_SHARE = 0.1
"""Of the time: the first minute of ten, until windows are full, and the second one, with which the end is compared."""
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
    chance = Random(SEED)  # noqa: S311 - nothing to guess here
    with tempfile.TemporaryDirectory(prefix="touchline-bench-") as folder:
        log = f"sqlite://{Path(folder) / 'log.db'}"
        async with touchline_fed(bench, log=log, variables=squeezed(), key_field=KEY_FIELD) as fed:
            matches = Matches(
                Keyed(fed.publish, KEYS),
                chance,
                rate_hz=sizes.rate_hz,
                event_bytes=sizes.event_bytes,
                match_s=sizes.match_s,
            )
            visitors = Visitors(fed.port, matches, chance)
            async with observed(fed.server, LOOK_EVERY_S) as samples, asyncio.TaskGroup() as group:
                group.create_task(matches.play(sizes.rooms, sizes.seconds))
                group.create_task(visitors.come_and_go(sizes.clients))
            left_open = await _left_open(fed.port)
            still_in = await viewers(fed.control_port, [match.room for match in matches.played])
    return Result(
        scenario=NAME,
        rows=[
            *_memory(samples, sizes.seconds),
            *_traffic(matches, visitors),
            *_correctness(visitors),
            Row("connections left open", left_open, "", Bound("=", 0)),
            Row("clients still counted in rooms", still_in, "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=_notes(fed.how, matches, visitors),
    )


def squeezed() -> dict[str, str]:
    """The settings that go by a season's time, as much shorter as it is."""
    return {
        "TOUCHLINE_WINDOW_S": str(WINDOW_S / SQUEEZE),
        "TOUCHLINE_ROOM_IDLE_S": str(ROOM_IDLE_S / SQUEEZE),
        "TOUCHLINE_SQLITE__RETENTION_S": str(RETENTION_S / SQUEEZE),
    }


async def _left_open(port: int) -> int:
    """The connections that a server still holds a while after all clients have gone."""
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
    """The most memory between two times, where the last look before the first of them counts too."""
    last_before = max((sample.at_s for sample in samples if sample.at_s <= from_s), default=0.0)
    return max(sample.own_kib for sample in samples if last_before <= sample.at_s <= to_s)


def _traffic(matches: Matches, visitors: Visitors) -> list[Row]:
    return [
        Row("rooms", len(matches.played), ""),
        Row("joins", visitors.joins, ""),
        Row("joins with a cursor", sum(following.resumed for following in visitors.followings), ""),
        Row("leaves", sum(visitors.left.values()), ""),
        Row("leaves without a goodbye", sum(visitors.left.values()) - visitors.left[GOODBYE], ""),
        Row("events published", matches.keyed.events, ""),
        Row("events delivered", sum(following.events for following in visitors.followings), ""),
    ]


def _correctness(visitors: Visitors) -> list[Row]:
    followings = visitors.followings
    return [
        Row("clients that lack a match's end", visitors.lacking, "", Bound("=", 0)),
        Row("gaps and repeats", sum(each.gaps + each.repeats for each in followings), "", Bound("=", 0)),
        Row("cursors that were not honoured", sum(each.started_over for each in followings), "", Bound("=", 0)),
        Row("clients lost", len(visitors.lost), "", Bound("=", 0)),
    ]


def _notes(how: str, matches: Matches, visitors: Visitors) -> list[str]:
    settings = ", ".join(f"{name}={value}" for name, value in squeezed().items())
    lost = [f"the first client that was lost: {visitors.lost[0]}"] if visitors.lost else []
    return [
        f"{how}; 24 hours in 10 minutes, so times are {SQUEEZE} times shorter: {settings}; all else has its default",
        "the process's anonymous memory (RssAnon), looked at every second: the highest in the last quarter beside the "
        "highest in the second tenth; a room without clients and events is forgotten after an hour of the season, not "
        "after a day as by default, or none would be forgotten in it",
        f"{visitors.left[SILENT]} of the clients just stopped reading, and their connections were cut later; the "
        f"publisher was up to {matches.publisher_late_s * 1000:.1f} ms late",
        *lost,
    ]
