"""Clients that stop reading for a while: what they cost the server and the others, and whether they miss anything."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from touchline_loadtest.audience import Audience, audience_of
from touchline_loadtest.fed import touchline_fed
from touchline_loadtest.followers import SEGMENT_BYTES, Follower, follow
from touchline_loadtest.following import Following
from touchline_loadtest.kafka import FEED
from touchline_loadtest.keyed import KEY_FIELD, Keyed
from touchline_loadtest.measuring import (
    Bench,
    Load,
    Measured,
    gaps,
    how_checked,
    latencies,
    measure,
    percentile_ms,
    trust_notes,
)
from touchline_loadtest.observing import Sample, observed, own_growth_kib, usual_sockets_kib
from touchline_loadtest.processes import Server
from touchline_loadtest.publishing import NS
from touchline_loadtest.results import Bound, Result, Row
from touchline_protocol.messages import RoomRequest

NAME = "slow-clients"
ROOM = f"{FEED}:1"
KEYS = ("clock", "score", "cards", "weather", None)
"""Four events of five are state; `deliver` `latest` leaves out none of the others."""
WARM_UP_S = 1.0
CATCH_UP_S = 5.0
"""So long the load goes on after the stopped clients read again: they catch up with a room that moves on."""
CATCH_UP_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.5
POLL_S = 0.01
RECEIVE_BYTES = 16 * 1024
"""SO_RCVBUF of the clients that stop: a phone's link does not hold megabytes for it, as loopback would."""
CROWD_REST_S = 0.01
"""Clients that only count read so often: else one core could not read for them all and be quick."""


class Sizes(msgspec.Struct, frozen=True):
    """2,000 clients with 200 events/s, of whom 200 stop for 20 s, which is 1.2 MB for each of them."""

    clients: int = 2000
    clients_slow: int = 200
    rate_hz: float = 200.0
    event_bytes: int = 200
    seconds: float = 20.0


class _Phase(NamedTuple):
    """What the others saw of a load, and what was seen of the server meanwhile."""

    measured: Measured
    p99_ms: float
    samples: list[Sample]


class _Found(NamedTuple):
    reading: _Phase
    stopped: _Phase
    catch_up_s: float


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    load = Load([ROOM], sizes.rate_hz, sizes.seconds, sizes.event_bytes)
    followings = [Following(ROOM, "latest" if number % 2 else "all") for number in range(sizes.clients_slow)]
    async with touchline_fed(bench, key_field=KEY_FIELD) as fed, audience_of(fed.port, bench.cores) as others:
        keyed = Keyed(fed.publish, KEYS)
        await others.connect(sizes.clients - sizes.clients_slow, RoomRequest(room=ROOM))
        slow = [await follow(fed.port, following, receive_bytes=RECEIVE_BYTES) for following in followings]
        found = await _measure(bench, fed.server, others, slow, keyed, load)
        lacking = await others.lacking()
        for follower in slow:
            follower.vanish()
    return Result(
        scenario=NAME,
        rows=[*_cost(found, sizes), *_correctness(others, lacking, slow, keyed)],
        sizes=msgspec.to_builtins(sizes),
        notes=_notes(fed.how, others, found),
    )


def _notes(how: str, others: Audience, found: _Found) -> list[str]:
    return [
        f"{how}; {len(KEYS) - 1} of {len(KEYS)} events have a key; half of the clients that stop ask for "
        "deliver all, half for latest",
        f"those that stop have a receive buffer (SO_RCVBUF) of {RECEIVE_BYTES // 1024} KiB and segments of "
        f"{SEGMENT_BYTES} bytes, as a phone's link would, and read nothing at all meanwhile",
        "the load goes on while they catch up, which is timed until the last of them has what was the newest event "
        "when they read again",
        "the server's memory is RssAnon, its growth while they are stopped less its growth under the same load before; "
        "the kernel's is the difference of the medians, of all TCP sockets of this machine (/proc/net/sockstat), other "
        "programs' too",
        f"lateness is that of the others that are checked, from when an event was due; {how_checked(others)}; those "
        f"read every {CROWD_REST_S * 1000:g} ms, what there is then",
        *trust_notes(found.reading.measured, found.stopped.measured),
    ]


async def _measure(
    bench: Bench, server: Server, others: Audience, slow: Sequence[Follower], keyed: Keyed, load: Load
) -> _Found:
    await _phase(server, others, keyed, load._replace(seconds=WARM_UP_S))
    bench.say(f"{NAME}: all clients read")
    reading = await _phase(server, others, keyed, load)
    await _until_caught_up(slow, keyed)
    bench.say(f"{NAME}: {len(slow)} have stopped")
    for follower in slow:
        follower.stop_reading()
    stopped = await _phase(server, others, keyed, load)
    bench.say(f"{NAME}: they catch up")
    began_ns = time.monotonic_ns()
    for follower in slow:
        follower.following.goal = others.checks[0].last
        follower.read_again()
    await _phase(server, others, keyed, load._replace(seconds=CATCH_UP_S))
    await _until_caught_up(slow, keyed)
    reached = [follower.following.reached_ns for follower in slow]
    return _Found(reading, stopped, max((at_ns - began_ns for at_ns in reached if at_ns), default=0) / NS)


async def _phase(server: Server, others: Audience, keyed: Keyed, load: Load) -> _Phase:
    """Publish a load, and wait until the others have it."""
    async with observed(server, LOOK_EVERY_S) as samples:
        measured = await measure(server, others, keyed, load, crowd_rest_s=CROWD_REST_S)
    return _Phase(measured, percentile_ms(latencies(others), 99), samples)


async def _until_caught_up(slow: Sequence[Follower], keyed: Keyed) -> None:
    """Wait until the slow clients have all, or are lost; what they lack after a while is for the rows to say."""
    deadline_s = time.monotonic() + CATCH_UP_TIMEOUT_S
    while any(follower.lost is None and _lacks(follower.following, keyed) for follower in slow):
        if time.monotonic() > deadline_s:
            return
        await asyncio.sleep(POLL_S)


def _lacks(following: Following, keyed: Keyed) -> bool:
    """Whether a client has not got each event, or been told that it was left out, or not the newest of each key."""
    return following.events + following.skipped != keyed.events or following.newest != keyed.newest[ROOM]


def _cost(found: _Found, sizes: Sizes) -> list[Row]:
    reading, stopped = found.reading, found.stopped
    own_kib = own_growth_kib(stopped.samples) - own_growth_kib(reading.samples)
    sockets_kib = usual_sockets_kib(stopped.samples) - usual_sockets_kib(reading.samples)
    return [
        Row("others' p99, all reading", reading.p99_ms, "ms"),
        Row("others' p99, some stopped", stopped.p99_ms, "ms"),
        Row("some stopped / all reading", stopped.p99_ms / reading.p99_ms, "", Bound("<=", 1.2)),
        Row("server's core in use, all reading", reading.measured.cpu_s / reading.measured.wall_s * 100, "%"),
        Row("server's core in use, some stopped", stopped.measured.cpu_s / stopped.measured.wall_s * 100, "%"),
        Row("server's memory per stopped client", own_kib / sizes.clients_slow, "KiB", Bound("<=", 64)),
        Row("kernel's memory per stopped client", sockets_kib / sizes.clients_slow, "KiB"),
        Row("time to catch up", found.catch_up_s, "s"),
    ]


def _correctness(others: Audience, others_lacking: int, slow: Sequence[Follower], keyed: Keyed) -> list[Row]:
    followings = [follower.following for follower in slow]
    lacking = {
        deliver: sum(_lacks(following, keyed) for following in followings if following.deliver == deliver)
        for deliver in ("all", "latest")
    }
    found = sum(following.gaps + following.repeats + following.started_over for following in followings)
    return [
        Row("others that lack events", others_lacking, "", Bound("=", 0)),
        Row("deliver all: clients that lack events", lacking["all"], "", Bound("=", 0)),
        Row("deliver latest: clients that lack news", lacking["latest"], "", Bound("=", 0)),
        Row("deliver latest: events left out", sum(following.skipped for following in followings), ""),
        Row("gaps, repeats and starts over", found + gaps(others), "", Bound("=", 0)),
        Row("clients lost", sum(follower.lost is not None for follower in slow), "", Bound("=", 0)),
    ]
