"""One peer's producer: it publishes one event after the other to every room, and knows the newest number of each."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from touchline_loadtest.peers.peer import PeerFailed
from touchline_loadtest.publish.publisher import Publish
from touchline_loadtest.wire.event_values import event_value

RETRY_S = 0.1
"""Before an event that the server did not take is published again. Producers keep events while a server restarts."""
BURST = 20
"""Events of a room that go out together when a burst is published."""


class Feed:
    """``published`` has the newest number of each room. ``publish`` may be replaced when the server starts again."""

    def __init__(self, publish: Publish, rooms: Sequence[str], *, rate_hz: float, event_bytes: int) -> None:
        self.publish = publish
        self.published = dict.fromkeys(rooms, 0)
        self._interval_s = 1 / (rate_hz * len(rooms))
        self._event_bytes = event_bytes
        self._runs = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Publish to the rooms in turn while it is not paused, until cancelled."""
        due_s = time.monotonic()
        while True:
            for room in self.published:
                self._idle.set()
                await self._runs.wait()
                self._idle.clear()
                await self._publish(room, 1)
                due_s = max(due_s + self._interval_s, time.monotonic() - self._interval_s)
                await asyncio.sleep(due_s - time.monotonic())

    def resume(self) -> None:
        """Go on publishing."""
        self._runs.set()

    async def pause(self) -> None:
        """Stop publishing; returns when the last event is out."""
        self._runs.clear()
        await self._idle.wait()

    async def burst(self, per_room: int) -> None:
        """Publish to every room ``per_room`` events, as fast as the server takes them. It must be paused."""
        for begin in range(0, per_room, BURST):
            for room in self.published:
                await self._publish(room, min(BURST, per_room - begin))

    async def _publish(self, room: str, count: int) -> None:
        newest = self.published[room]
        self.published[room] = newest + count
        now_ns = time.monotonic_ns()
        values = [event_value(now_ns, self._event_bytes, number) for number in range(newest + 1, newest + count + 1)]
        while True:
            with contextlib.suppress(PeerFailed, OSError):
                await self.publish(room, values)
                return
            await asyncio.sleep(RETRY_S)
