"""What every feed yields, and how it is played. A feed is an iterator of moments; it knows no clock and no server."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from touchline_loadtest.clock import now_ms
from touchline_loadtest.publish.batches import Batch, KeyedValue, PublishBatches

TOGETHER_S = 0.002
"""Moments that are due within this time are published together: shorter than a timer of the event loop is exact."""


class Moment(NamedTuple):
    """Events of one room that are due together, ``due_s`` seconds after the feed began. Moments ascend by ``due_s``."""

    due_s: float
    room: str
    events: Sequence[KeyedValue]


class Played(NamedTuple):
    """How a feed was played: how many events and bytes of values, and how late the latest moment was published."""

    events: int
    bytes: int
    late_s: float


async def play(
    feed: Iterator[Moment],
    publish: PublishBatches,
    *,
    speed: float = 1.0,
    seconds: float = float("inf"),
) -> Played:
    """Publish ``feed`` at ``speed`` times its pace, for ``seconds`` or until it ends.

    A moment's records carry the time at which it was due, so a publisher that is late shows as latency.
    """
    began_s, began_ms = time.monotonic(), now_ms()
    events = size = 0
    late_s = 0.0
    moment = next(feed, None)
    while moment is not None and moment.due_s / speed < seconds:
        now_s = time.monotonic() - began_s
        if (wait_s := moment.due_s / speed - now_s) > 0:
            await asyncio.sleep(wait_s)
            now_s = time.monotonic() - began_s
        late_s = max(late_s, now_s - moment.due_s / speed)
        until_s = min(seconds, now_s + TOGETHER_S)
        batches = []
        while moment is not None and moment.due_s / speed < until_s:
            batches.append(Batch(int(began_ms + moment.due_s / speed * 1000), moment.room, moment.events))
            events += len(moment.events)
            size += sum(len(value) for _, value in moment.events)
            moment = next(feed, None)
        await publish(batches)
    return Played(events, size, late_s)
