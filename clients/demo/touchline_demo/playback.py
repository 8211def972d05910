"""Plays a timeline: publishes each of its events when it is due.

Rules: each room's events are published in the timeline's order, the next ones only when those before are in the log.
Events that are due together are published together. While the server or the log is unavailable playback waits, then
catches up.

A request that got no answer is repeated, because its events may be lost; if they were not, they are in the log twice.
Without the log's help nothing better is possible. The events of a recorded match carry ids of their own.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from touchline_protocol.errors import OperatorError
from touchline_server.core.log import AppendFailed, Position
from touchline_server.new_events import NewEvent, new_event

from .matches.timeline import Timed

BATCH_EVENTS_MAX = 500
BATCH_BYTES_MAX = 1 << 20
"""Size of the events in one request: at most half of what a request may have, whatever the events look like."""

PATIENCE_S = 60.0
"""How long to wait for a server or a log before giving up: a restart or a change of brokers takes less."""
RETRY_S_MIN = 0.1
RETRY_S_MAX = 2.0


class Publisher(Protocol):
    """Accepts a room's events in order: a node, or a target of the command line."""

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        """Publish ``events``; returns their positions once they are durable.

        Raises:
            AppendFailed: not all of them are known to be in the log. Trying again can succeed.
            OperatorError: trying again cannot succeed.
        """


class Report(NamedTuple):
    """Callbacks for progress: how many events were just published, and why playback is waiting."""

    published: Callable[[int], None]
    waiting: Callable[[str], None]


class _Player:
    """Sends the batches of one timeline."""

    def __init__(self, publisher: Publisher, report: Report, patience_s: float) -> None:
        self._publisher = publisher
        self._report = report
        self._patience_s = patience_s

    async def send(self, batch: Sequence[tuple[str, NewEvent]]) -> None:
        rooms: dict[str, list[NewEvent]] = {}
        for room, event in batch:
            rooms.setdefault(room, []).append(event)
        for room, events in rooms.items():
            await self._send_room(room, events)

    async def _send_room(self, room: str, events: list[NewEvent]) -> None:
        loop = asyncio.get_running_loop()
        pause_s = RETRY_S_MIN
        give_up = loop.time() + self._patience_s
        while events:
            try:
                await self._publisher.publish(room, events)
            except AppendFailed as error:
                self._report.published(error.written)
                events = events[error.written :]
                if loop.time() >= give_up:
                    raise OperatorError(f"gave up after {self._patience_s:g} s: {error}") from None
                self._report.waiting(str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_S_MAX)
            else:
                self._report.published(len(events))
                return


async def play(
    timeline: Iterable[Timed],
    publisher: Publisher,
    report: Report,
    *,
    speed: float = 1.0,
    patience_s: float = PATIENCE_S,
) -> None:
    """Publish ``timeline``, ``speed`` times as fast as its own time.

    Raises:
        OperatorError: an event cannot be published, or the server or the log was unavailable for too long.
    """
    loop = asyncio.get_running_loop()
    player = _Player(publisher, report, patience_s)
    started = loop.time()
    items = iter(timeline)
    item = next(items, None)
    while item is not None:
        await asyncio.sleep(started + item.due_s / speed - loop.time())
        now_s = max((loop.time() - started) * speed, item.due_s)  # a timer can fire a moment early
        batch: list[tuple[str, NewEvent]] = []
        size = 0
        while item is not None and item.due_s <= now_s and len(batch) < BATCH_EVENTS_MAX and size < BATCH_BYTES_MAX:
            event = new_event(msgspec.json.encode(item.data), item.key)
            batch.append((f"{item.feed}:{item.room_id}", event))
            size += len(event.value or b"")
            item = next(items, None)
        await player.send(batch)
