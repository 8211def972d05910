"""Clients that stop reading for a while: what they cost the server and the others, and whether they miss anything."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from touchline_loadtest.checks.room_check import RoomCheck
from touchline_loadtest.clients.follower import SEGMENT_BYTES, Follower, follow
from touchline_loadtest.measure.audience import Audience, open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import breaches, check_note, latencies_ns, percentile_ms
from touchline_loadtest.measure.measurement import Load, Measurement, measure
from touchline_loadtest.measure.observation import Sample, median_sockets_kib, observe, own_growth_kib
from touchline_loadtest.measure.processes import ChildProcess
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_loadtest.publish.keyed_publisher import KEY_FIELD, KeyedPublisher
from touchline_loadtest.publish.pace import NS
from touchline_loadtest.publish.publisher import FEED
from touchline_protocol.messages import RoomRequest

NAME = "slow-clients"
ROOM = f"{FEED}:1"
KEYS = ("clock", "score", "cards", "weather", None)
"""Four events of five are state; `deliver` `latest` may leave out those, and no others."""
WARM_UP_S = 1.0
CATCH_UP_S = 5.0
"""How long the load goes on after the stopped clients read again: they catch up with a room that moves on."""
CATCH_UP_TIMEOUT_S = 60.0
SAMPLE_INTERVAL_S = 0.5
POLL_S = 0.01
RECEIVE_BUFFER_BYTES = 16 * 1024
"""SO_RCVBUF of the clients that stop: a phone's link does not buffer megabytes for it, as loopback would."""
COUNTER_REST_S = 0.01
"""The interval at which counters read: otherwise one core could not serve them all and stay fast."""


class Sizes(msgspec.Struct, frozen=True):
    """2,000 clients with 200 events/s, 200 of which stop for 20 s, which is 1.2 MB for each of them."""

    clients: int = 2000
    clients_slow: int = 200
    rate_hz: float = 200.0
    event_bytes: int = 200
    seconds: float = 20.0


class _Phase(NamedTuple):
    """How a load went for the other clients, and the samples of the server meanwhile."""

    measured: Measurement
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
    checks = [
        RoomCheck(RoomRequest(room=ROOM, deliver="latest" if number % 2 else "all"))
        for number in range(sizes.clients_slow)
    ]
    async with (
        server_under_test(bench, key_field=KEY_FIELD) as server,
        open_audience(server.port, bench.cores) as others,
    ):
        publisher = KeyedPublisher(server.publish, KEYS)
        await others.connect(sizes.clients - sizes.clients_slow, RoomRequest(room=ROOM))
        slow = [await follow(server.port, check, receive_buffer_bytes=RECEIVE_BUFFER_BYTES) for check in checks]
        found = await _measure(bench, server.process, others, slow, publisher, load)
        lacking = await others.lacking()
        for follower in slow:
            follower.vanish()
    return Result(
        scenario=NAME,
        rows=[*_cost(found, sizes), *_correctness(others, lacking, slow, publisher)],
        sizes=msgspec.to_builtins(sizes),
        notes=_notes(server.note, others, found),
    )


def _notes(server_note: str, others: Audience, found: _Found) -> list[str]:
    return [
        f"{server_note}; {len(KEYS) - 1} of {len(KEYS)} events have a key; half of the clients that stop ask for "
        "deliver all, half for latest",
        f"those that stop have a receive buffer (SO_RCVBUF) of {RECEIVE_BUFFER_BYTES // 1024} KiB and segments of "
        f"{SEGMENT_BYTES} bytes, like a phone's link, and read nothing at all meanwhile",
        "the load goes on while they catch up, which is timed until the last of them has the event that was the newest "
        "when they began to read again",
        "the server's memory is RssAnon: its growth while they are stopped, minus its growth under the same load "
        "before; the kernel's is the difference of the medians, for all TCP sockets of this machine "
        "(/proc/net/sockstat), those of other programs included",
        f"lateness is that of the other clients that are checked, from when an event was due; {check_note(others)}; "
        f"those read every {COUNTER_REST_S * 1000:g} ms whatever has arrived",
        *trust_notes(found.reading.measured, found.stopped.measured),
    ]


async def _measure(
    bench: Bench,
    process: ChildProcess,
    others: Audience,
    slow: Sequence[Follower],
    publisher: KeyedPublisher,
    load: Load,
) -> _Found:
    await _phase(process, others, publisher, load._replace(seconds=WARM_UP_S))
    bench.say(f"{NAME}: all clients read")
    reading = await _phase(process, others, publisher, load)
    await _until_caught_up(slow, publisher)
    bench.say(f"{NAME}: {len(slow)} have stopped")
    for follower in slow:
        follower.stop_reading()
    stopped = await _phase(process, others, publisher, load)
    bench.say(f"{NAME}: they catch up")
    began_ns = time.monotonic_ns()
    for follower in slow:
        follower.check.goal = others.checks[0].live.offset
        follower.resume_reading()
    await _phase(process, others, publisher, load._replace(seconds=CATCH_UP_S))
    await _until_caught_up(slow, publisher)
    reached = [follower.check.reached_ns for follower in slow]
    return _Found(reading, stopped, max((at_ns - began_ns for at_ns in reached if at_ns), default=0) / NS)


async def _phase(process: ChildProcess, others: Audience, publisher: KeyedPublisher, load: Load) -> _Phase:
    """Publish a load, and wait until the other clients have it."""
    async with observe(process, SAMPLE_INTERVAL_S) as samples:
        measured = await measure(process, others, publisher, load, counter_rest_s=COUNTER_REST_S)
    return _Phase(measured, percentile_ms(latencies_ns(others), 99), samples)


async def _until_caught_up(slow: Sequence[Follower], publisher: KeyedPublisher) -> None:
    """Wait until the slow clients have everything or are lost. The rows report what they lack after the timeout."""
    deadline_s = time.monotonic() + CATCH_UP_TIMEOUT_S
    while any(follower.lost is None and _lacks(follower.check, publisher) for follower in slow):
        if time.monotonic() > deadline_s:
            return
        await asyncio.sleep(POLL_S)


def _lacks(check: RoomCheck, publisher: KeyedPublisher) -> bool:
    """Whether a client lacks an event without having been told of it by `skipped`, or the newest event of a key."""
    return check.events + check.skipped != publisher.events or check.newest != publisher.newest[ROOM]


def _cost(found: _Found, sizes: Sizes) -> list[Row]:
    reading, stopped = found.reading, found.stopped
    own_kib = own_growth_kib(stopped.samples) - own_growth_kib(reading.samples)
    sockets_kib = median_sockets_kib(stopped.samples) - median_sockets_kib(reading.samples)
    return [
        Row("others' p99, all reading", reading.p99_ms, "ms"),
        Row("others' p99, some stopped", stopped.p99_ms, "ms"),
        Row("some stopped / all reading", stopped.p99_ms / reading.p99_ms, "", Bound("<=", 1.2)),
        Row("server's core in use, all reading", reading.measured.core_percent, "%"),
        Row("server's core in use, some stopped", stopped.measured.core_percent, "%"),
        Row("server's memory per stopped client", own_kib / sizes.clients_slow, "KiB", Bound("<=", 64)),
        Row("kernel's memory per stopped client", sockets_kib / sizes.clients_slow, "KiB"),
        Row("time to catch up", found.catch_up_s, "s"),
    ]


def _correctness(
    others: Audience, others_lacking: int, slow: Sequence[Follower], publisher: KeyedPublisher
) -> list[Row]:
    checks = [follower.check for follower in slow]
    lacking = {
        deliver: sum(_lacks(check, publisher) for check in checks if check.deliver == deliver)
        for deliver in ("all", "latest")
    }
    found = sum(len(check.breaches) for check in checks)
    return [
        Row("others that lack events", others_lacking, "", Bound("=", 0)),
        Row("deliver all: clients that lack events", lacking["all"], "", Bound("=", 0)),
        Row("deliver latest: clients that lack state", lacking["latest"], "", Bound("=", 0)),
        Row("deliver latest: events left out", sum(check.skipped for check in checks), ""),
        Row("breaches", found + breaches(others), "", Bound("=", 0)),
        Row("clients lost", sum(follower.lost is not None for follower in slow), "", Bound("=", 0)),
    ]
