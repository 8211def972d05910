"""One peer in one configuration, with its server, its producer and its clients, as long as a run lasts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.publish.publisher import FEED

from .crowd import Crowd
from .entries import Entry
from .feed import Feed
from .outcome import Outcome, outcome

POLL_S = 0.05
SETTLE_MAX_S = 600.0
DROPPED_POLL_S = 0.5


class Sizes(NamedTuple):
    """How large a run is. The defaults are the documented ones."""

    clients: int = 1000
    rooms: int = 20
    rate_hz: float = 1.0
    event_bytes: int = 200


class Contestant:
    """A peer that takes part. Its producer is paused between phases."""

    def __init__(self, entry: Entry, crowd: Crowd, feed: Feed) -> None:
        self.name = entry.name
        self.version = entry.peer.version()
        self.settings = entry.settings
        self.crowd = crowd
        self.feed = feed
        self._began = dict(feed.published)

    def begin(self) -> None:
        """A phase begins: findings count from here."""
        self._began = dict(self.feed.published)
        for viewer in self.crowd.viewers:
            viewer.begin(self._began)

    async def settle(self, quiet_s: float) -> Outcome:
        """End a phase: wait until the clients have everything or nothing arrives any more; returns the findings."""
        await self.feed.pause()
        published = {room: (self._began[room] + 1, newest) for room, newest in self.feed.published.items()}
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + SETTLE_MAX_S
        arrived, quiet_since_s = -1, loop.time()
        while loop.time() < deadline_s:
            if self.crowd.arrived != arrived or self.crowd.returning:
                arrived, quiet_since_s = self.crowd.arrived, loop.time()
            elif loop.time() - quiet_since_s > quiet_s or not any(
                viewer.ledger.lacking(published) for viewer in self.crowd.viewers
            ):
                break
            await asyncio.sleep(POLL_S)
        for viewer in self.crowd.viewers:
            viewer.note_gaps()
        return outcome(self.crowd.viewers, published)


@contextlib.asynccontextmanager
async def contestant(entry: Entry, bench: Bench, folder: Path, sizes: Sizes) -> AsyncIterator[Contestant]:
    """Start a peer, its producer and its clients.

    Raises:
        PeerMissing: it is not installed.
        PeerFailed, ProcessFailed: it did not start, or refused a client.
    """
    rooms = [f"{FEED}:{number}" for number in range(sizes.rooms)]
    async with entry.peer.serve(bench, folder, recovery=entry.peer.recovers) as server, asyncio.TaskGroup() as tasks:
        feed = Feed(server.publish, rooms, rate_hz=sizes.rate_hz, event_bytes=sizes.event_bytes)
        crowd = Crowd(server.dialect, server.port, feed.published, tasks)
        await crowd.gather(sizes.clients)
        endless = [tasks.create_task(feed.run()), tasks.create_task(_look_after(crowd))]
        try:
            yield Contestant(entry, crowd, feed)
        finally:
            crowd.close()
            for task in endless:
                task.cancel()


async def _look_after(crowd: Crowd) -> None:
    while True:
        await asyncio.sleep(DROPPED_POLL_S)
        crowd.bring_back_dropped()
