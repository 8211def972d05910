"""Positions of 22 players and the ball, 25 times a second, to the viewers of three matches who want the newest ones."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from touchline_loadtest.checks.room_check import RoomCheck
from touchline_loadtest.clients.follower import Follower, follow
from touchline_loadtest.counters import commands
from touchline_loadtest.feeds.moments import Played, play
from touchline_loadtest.feeds.tracking import TICK_HZ, tracking
from touchline_loadtest.measure.audience import Audience, open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import MS, breaches, check_note, latencies_ns, percentile_ms
from touchline_loadtest.measure.measurement import ARRIVE_TIMEOUT_S, Measurement, Start
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import ServerUnderTest, server_under_test
from touchline_loadtest.measure.trust import trust_notes
from touchline_loadtest.publish.batches import Batch, kafka_batches
from touchline_loadtest.publish.publisher import FEED
from touchline_loadtest.wire.event_values import Due
from touchline_protocol.messages import RoomRequest

NAME = "tracking"
SEED = 1
WARM_UP_S = 2.0
COUNTER_REST_S = 0.005
"""The interval at which the counters read: otherwise every write of the server would wake their process, which shares
its core with the measuring process and the broker."""
POLL_S = 0.01
RECEIVE_BUFFER_BYTES = 32 * 1024
"""The receive buffer of clients that stop reading, so that the server notices within a second."""


class Sizes(msgspec.Struct, frozen=True):
    """517,500 deliveries a second. Of each match's ``clients``, ``stalled`` stop reading for the middle third."""

    clients: int = 300
    stalled: int = 3
    matches: int = 3
    seconds: float = 15.0


class _Feed:
    """The feed, and what was published: how many events in each room, and when the newest one of each key was due."""

    def __init__(self, names: Sequence[str], kafka: str, topic: str) -> None:
        self.names = names
        self.events = dict.fromkeys(names, 0)
        self.newest: dict[str, dict[str | None, int]] = {name: {} for name in names}
        self._kafka = kafka
        self._topic = topic

    async def play(self, seconds: float) -> Played:
        """Publish for ``seconds``; the broker has everything then."""
        began_ns = time.monotonic_ns()
        feed = tracking(list(self.names), SEED, lambda due_s: began_ns + int(due_s * 1e9))
        async with kafka_batches(self._kafka, {FEED: self._topic}) as publish:

            async def publish_and_note(batches: Sequence[Batch]) -> None:
                await publish(batches)
                for batch in batches:
                    self.events[batch.room] += len(batch.events)
                    self.newest[batch.room].update((key, _DUE.decode(value).due) for key, value in batch.events)

            return await play(feed, publish_and_note, seconds=seconds)


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    assert bench.kafka is not None  # noqa: S101 - the registry says that this scenario needs it
    names = [f"{FEED}:{number}" for number in range(1, sizes.matches + 1)]
    async with server_under_test(bench) as server, open_audience(server.port, bench.cores) as audience:
        feed = _Feed(names, bench.kafka, server.topic)
        for room in names:
            await audience.connect(sizes.clients - sizes.stalled, RoomRequest(room=room, deliver="latest"))
        async with _stalling(server.port, names, sizes.stalled) as stalling:
            await audience.counters.do(commands.SetPace(COUNTER_REST_S))
            await _measure(server, audience, feed, min(WARM_UP_S, sizes.seconds))
            for check in audience.checks:
                check.latencies_ns.clear()
            bench.say(f"{NAME}: {sizes.stalled} clients of each match stop reading for a third of the time")
            measured, _ = await asyncio.gather(
                _measure(server, audience, feed, sizes.seconds), _stall(stalling, sizes.seconds / 3)
            )
            await _until_right(stalling, feed)
            lacking = await audience.lacking()
            return Result(
                scenario=NAME,
                rows=[*_speed(measured, audience), *_correctness(audience, lacking, stalling, feed)],
                sizes=msgspec.to_builtins(sizes),
                notes=_notes(sizes, server.note, audience, measured),
            )


async def _measure(server: ServerUnderTest, audience: Audience, feed: _Feed, seconds: float) -> Measurement:
    """Play for ``seconds``, and wait until everybody who reads has everything."""
    start = await Start.now(server.process, audience)
    before = dict(feed.events)
    played = await feed.play(seconds)
    deliveries = sum(audience.expect(feed.events[room] - before[room], [room]) for room in feed.names)
    await audience.until_arrived(ARRIVE_TIMEOUT_S)
    return await start.finish(deliveries, played.late_s)


@contextlib.asynccontextmanager
async def _stalling(port: int, names: Sequence[str], count: int) -> AsyncIterator[list[Follower]]:
    """The clients that are going to stop reading, ``count`` in each room."""
    followers: list[Follower] = []
    try:
        for room in names:
            for _ in range(count):
                check = RoomCheck(RoomRequest(room=room, deliver="latest"))
                followers.append(await follow(port, check, receive_buffer_bytes=RECEIVE_BUFFER_BYTES))
        yield followers
    finally:
        for follower in followers:
            follower.vanish()


async def _stall(followers: Sequence[Follower], third_s: float) -> None:
    await asyncio.sleep(third_s)
    for follower in followers:
        follower.stop_reading()
    await asyncio.sleep(third_s)
    for follower in followers:
        follower.resume_reading()


def _is_right(follower: Follower, feed: _Feed) -> bool:
    """Whether a client has each event or was told by `skipped` that it was left out, and the newest of each key."""
    check = follower.check
    has_all = check.events + check.skipped == feed.events[check.live.room]
    return follower.lost is None and has_all and check.newest == feed.newest[check.live.room]


async def _until_right(followers: Sequence[Follower], feed: _Feed) -> None:
    """Wait until those that stopped have caught up. The rows report who has not, after the timeout."""
    deadline_s = time.monotonic() + ARRIVE_TIMEOUT_S
    while any(not _is_right(follower, feed) for follower in followers):
        if time.monotonic() > deadline_s:
            return
        await asyncio.sleep(POLL_S)


def _speed(measured: Measurement, audience: Audience) -> list[Row]:
    late_ns = latencies_ns(audience)
    return [
        Row("p50", percentile_ms(late_ns, 50), "ms"),
        Row("p99", percentile_ms(late_ns, 99), "ms", Bound("<=", 40)),
        Row("slowest", max(late_ns) * MS, "ms"),
        Row("deliveries/s", measured.deliveries / measured.wall_s, "/s"),
        Row("CPU per delivery", measured.cpu_us, "us"),
        Row("server's core in use", measured.core_percent, "%"),
    ]


def _correctness(audience: Audience, lacking: int, stalling: Sequence[Follower], feed: _Feed) -> list[Row]:
    checks = [follower.check for follower in stalling]
    found = breaches(audience) + sum(len(check.breaches) for check in checks)
    wrong = sum(check.newest != feed.newest[check.live.room] for check in audience.checks)
    left = sum(not _is_right(follower, feed) for follower in stalling)
    return [
        Row("clients that lack events", lacking, "", Bound("=", 0)),
        Row("breaches", found, "", Bound("=", 0)),
        Row("wrong states at the end", wrong, "", Bound("=", 0)),
        Row("clients that stopped: lost, or not up to date", left, "", Bound("=", 0)),
        Row("clients that stopped: events left out", sum(check.skipped for check in checks), ""),
    ]


def _notes(sizes: Sizes, server_note: str, audience: Audience, measured: Measurement) -> list[str]:
    return [
        f"{server_note}, the positions of a match's tick as one record batch, {TICK_HZ:g} times a second; lateness "
        "counts from when they were due, and the publisher itself was up to "
        f"{measured.publisher_late_s * 1000:.1f} ms late",
        f"{sizes.stalled} of the {sizes.clients} clients of each match stop reading for a third of the time; they do "
        "not count for the percentiles, but each must have, or be told of, every event",
        f"the counters read every {COUNTER_REST_S * 1000:g} ms whatever has arrived",
        check_note(audience),
        *trust_notes(measured),
    ]


_DUE = msgspec.json.Decoder(Due)
