"""Publishing at a steady rate, or as fast as possible.

At a steady rate each event carries the time at which it was due. An event that arrives late therefore counts as late,
even if the publisher itself was the cause. Events that are due within one tick go out together, as they would from a
producer with some traffic.
"""

import asyncio
import time
from collections.abc import Sequence

from touchline_loadtest.wire.event_values import event_value

from .batches import EVENTS_PER_REQUEST_MAX
from .publisher import Publish

TICK_S = 0.01
"""Above 100 events a second in one room, the events of 10 ms are published together."""
NS = 1_000_000_000
"""Nanoseconds of a second."""


async def publish_steadily(
    publish: Publish, rooms: Sequence[str], *, rate_hz: float, count: int, size_bytes: int
) -> float:
    """Publish ``count`` events to each room, each at ``rate_hz``; returns the worst delay in seconds.

    The rooms are spread evenly over the interval between two events of one room. If publishing takes longer than that
    interval, all events that have become due meanwhile go out together, each with the time at which it was due.
    """
    began_ns = time.monotonic_ns()
    per_tick = max(1, round(rate_hz * TICK_S))

    async def publish_to(index: int, room: str) -> int:
        worst_ns = sent = 0
        while sent < count:
            now_ns = time.monotonic_ns()
            due: list[bytes] = []
            while sent + len(due) < count:
                ticks = (sent + len(due)) // per_tick
                due_ns = began_ns + int((ticks * per_tick + index / len(rooms)) * NS / rate_hz)
                if due_ns > now_ns:
                    break
                if not due:
                    worst_ns = max(worst_ns, now_ns - due_ns)
                due.append(event_value(due_ns, size_bytes, sent + len(due)))
            if due:
                sent += len(due)
                await publish(room, due)
            else:
                await asyncio.sleep((due_ns - now_ns) / NS)
        return worst_ns

    return max(await asyncio.gather(*(publish_to(index, room) for index, room in enumerate(rooms)))) / NS


async def publish_quickly(publish: Publish, rooms: Sequence[str], *, count: int, size_bytes: int) -> None:
    """Publish ``count`` events, divided among the rooms, as fast as possible."""
    value = event_value(time.monotonic_ns(), size_bytes)
    left = count
    while left > 0:
        for room in rooms:
            number = min(EVENTS_PER_REQUEST_MAX, left, -(-count // len(rooms)))
            if number:
                await publish(room, [value] * number)
            left -= number
