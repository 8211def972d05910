"""Exchanges presence with the fleet: takes reports from the core, and hands it the answers.

Rules:

1. One exchange at a time, once per interval. While the store is away there are fewer: each has to report everything.
2. Nothing else waits for the store. Its answers are told to clients with the next tick.
3. The last report is made when all clients are gone. An exchange is never cancelled: the store's deadlines end it.
"""

import asyncio
import contextlib
from typing import NamedTuple

from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.config.settings import Settings
from touchline_server.core.presence.outbox import Outbox
from touchline_server.core.presence.port import PresenceStore, Totals
from touchline_server.edge.driver import Driver
from touchline_server.store.memory.presence import MemoryFleet
from touchline_server.store.memory.presence_outbox import MemoryOutbox

from .shared_stores import SharedStores

RETRY_S_MAX = 2.0
"""The longest time between two attempts. Once the store is back, numbers are right within 3 s."""


class PresenceParts(NamedTuple):
    """What a worker has of presence: its store, and the outbox if changes are recorded."""

    store: PresenceStore
    outbox: Outbox | None


def presence_parts(settings: Settings, worker: str, shared: SharedStores | None, *, is_alone: bool) -> PresenceParts:
    """The parts of one worker, shared with others if there are any. ``is_alone``: the edge has no other workers."""
    if shared is not None:
        return PresenceParts(shared.presence, shared.outbox)
    fleet = MemoryFleet(settings.presence.members_max, complete=is_alone)
    outbox = MemoryOutbox(fleet, settings.presence) if settings.presence.records else None
    return PresenceParts(fleet.worker(worker), outbox)


class PresenceExchange:
    """Presence of one worker. ``problem`` is why the newest exchange failed."""

    def __init__(self, store: PresenceStore, interval_s: float) -> None:
        self.problem: str | None = None
        self._store = store
        self._interval_s = interval_s
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, driver: Driver) -> None:
        """Begin to exchange."""
        self._task = asyncio.create_task(self._run(driver), name="presence")

    async def stop(self) -> None:
        """Make the last exchange. To be called when all clients are gone."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def viewers(self, room: str) -> Totals:
        """How many connections are in a room, over the fleet.

        Raises:
            StoreUnavailable: the store did not answer in time.
            StoreRefused: the store refuses until an operator has changed something.
        """
        return await self._store.viewers([room])

    async def _run(self, driver: Driver) -> None:
        loop, wait_s = asyncio.get_running_loop(), self._interval_s
        try:
            while not self._stopping.is_set():
                began_s = loop.time()
                await self._exchange(driver)
                wait_s = self._interval_s if self.problem is None else min(wait_s * 2, RETRY_S_MAX)
                await self._pause(began_s + wait_s - loop.time())
            await self._exchange(driver)
        except Exception as error:  # noqa: BLE001 - a mistake of ours, which ends the process like any other part's
            driver.fail(error)

    async def _exchange(self, driver: Driver) -> None:
        presence = driver.core.presence
        report = presence.take_report(driver.now().loop_ms)
        try:
            answer = await self._store.exchange(report)
        except (StoreUnavailable, StoreRefused) as error:
            self.problem = str(error)
            presence.failed(driver.now().loop_ms)
        else:
            self.problem = None
            presence.answered(answer, driver.now().loop_ms)

    async def _pause(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), max(0.0, wait_s))
