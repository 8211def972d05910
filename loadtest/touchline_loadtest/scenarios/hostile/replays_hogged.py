"""Catch-ups that only the log can serve: how long one room takes alone, and beside connections that ask for a hundred.

A log is filled with more than the server's window holds. Clients come back to one room each, one after the other, first
alone, then while hogs have come back to a hundred rooms each, every one with a cursor of its own.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from touchline_loadtest.clients.checkers import Checker, CheckerPool
from touchline_loadtest.clients.hog import open_hog
from touchline_loadtest.measure.audience import CONNECT_TIMEOUT_S
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import percentile_ms
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import ServerUnderTest, server_under_test
from touchline_loadtest.publish.publisher import FEED, Publish
from touchline_loadtest.wire.event_values import event_value
from touchline_protocol.messages import RoomRequest

NAME = "replays-hogged"
ROOMS = [f"{FEED}:{number}" for number in range(100)]
"""A connection may be in this many rooms."""
RUN_OF_A_ROOM = 5
"""Events of a room that follow each other, so that all rooms have events all over the log."""
SMALL_WINDOW = {"TOUCHLINE_WINDOW_BYTES_MAX": "65536"}
TIMEOUT_S = 120.0


class Sizes(msgspec.Struct, frozen=True):
    """20,000 records of 200 bytes in 100 rooms, 20 clients, and 5 hogs with 100 rooms each."""

    records: int = 20_000
    clients: int = 20
    hogs: int = 5
    event_bytes: int = 200


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    async with server_under_test(bench, variables=SMALL_WINDOW) as server:
        bench.say(f"{NAME}: filling the log")
        await _fill(server.publish, sizes)
        pool = CheckerPool(server.port)
        (checker,) = await pool.connect(1, RoomRequest(room=ROOMS[0]), CONNECT_TIMEOUT_S)
        epoch = checker.check.live.epoch or ""
        bench.say(f"{NAME}: alone")
        alone_ns, alone_cpu_s = await _timed(server, lambda: _catch_up_all(pool, epoch, sizes))
        bench.say(f"{NAME}: beside hogs")
        hogs = await asyncio.gather(
            *(open_hog(server.port, _hogs_requests(epoch, hog, sizes)) for hog in range(sizes.hogs))
        )
        hogged_ns, hogged_cpu_s = await _timed(server, lambda: _catch_up_all(pool, epoch, sizes))
        for hog in hogs:
            hog.transport.abort()
        breaches = sum(len(checker.check.breaches) for checker in pool.checkers)
        await pool.close()
    return Result(
        scenario=NAME,
        rows=[
            *_rows("alone", alone_ns),
            *_rows("beside hogs", hogged_ns),
            Row("beside hogs / alone", statistics.median(hogged_ns) / statistics.median(alone_ns), ""),
            Row("slowest beside hogs", max(hogged_ns) / 1e6, "ms", Bound("<=", 1000)),
            Row("server's CPU, alone", alone_cpu_s, "s"),
            Row("server's CPU, beside hogs", hogged_cpu_s, "s"),
            Row("breaches", breaches, "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "a catch-up is timed from the first connect until its last event; each client has seen the older half of "
            "the events of its room",
            f"{server.note}; the window holds 64 KiB, so the log has to be read for nearly everything",
        ],
    )


async def _fill(publish: Publish, sizes: Sizes) -> None:
    value = event_value(time.monotonic_ns(), sizes.event_bytes)
    for number in range(sizes.records // RUN_OF_A_ROOM):
        await publish(ROOMS[number % len(ROOMS)], [value] * RUN_OF_A_ROOM)


async def _timed(server: ServerUnderTest, work: Callable[[], Awaitable[list[int]]]) -> tuple[list[int], float]:
    began_s = server.process.cpu_s()
    return await work(), server.process.cpu_s() - began_s


async def _catch_up_all(pool: CheckerPool, epoch: str, sizes: Sizes) -> list[int]:
    """Let clients come back, one after the other; returns how long each took (ns)."""
    return [await _catch_up(pool, number, epoch, sizes) for number in range(sizes.clients)]


async def _catch_up(pool: CheckerPool, number: int, epoch: str, sizes: Sizes) -> int:
    room = number % len(ROOMS)
    after = max(offset for offset in range(sizes.records // 2) if _room_of(offset) == room)
    began_ns = time.monotonic_ns()
    (checker,) = await pool.connect(1, RoomRequest(room=ROOMS[room], epoch=epoch, after=after), CONNECT_TIMEOUT_S)
    expected = _events_after(after, room, sizes)
    await pool.until(lambda: checker.check.events >= expected, TIMEOUT_S, lambda: _lacks(checker, expected))
    return time.monotonic_ns() - began_ns


def _events_after(after: int, room: int, sizes: Sizes) -> int:
    return sum(_room_of(offset) == room for offset in range(after + 1, sizes.records))


def _room_of(offset: int) -> int:
    return offset // RUN_OF_A_ROOM % len(ROOMS)


def _lacks(checker: Checker, expected: int) -> str:
    return f"a client had {checker.check.events} of {expected} events"


def _hogs_requests(epoch: str, hog: int, sizes: Sizes) -> list[RoomRequest]:
    """The oldest cursors that there are, each of another offset: nothing of one read is what another one asks for."""
    step = max(1, sizes.records // 2 // len(ROOMS))
    return [RoomRequest(room=room, epoch=epoch, after=number * step + hog) for number, room in enumerate(ROOMS)]


def _rows(when: str, took_ns: Sequence[int]) -> list[Row]:
    return [
        Row(f"catch-up {when}, p50", percentile_ms(took_ns, 50), "ms"),
        Row(f"catch-up {when}, p99", percentile_ms(took_ns, 99), "ms"),
    ]
