"""Carries exchanges between the core and the player store, one at a time, and never waits where events are written.

Rules:

1. An exchange begins as soon as somebody waits for it (`wake`), and otherwise every `SYNC_MS`. While one is under way,
   what comes next gathers.
2. An exchange that fails is not repeated: the core decides what to present in the next one.
"""

import asyncio
import contextlib

import structlog

from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.core.clients.arrivals import Arrivals
from touchline_server.core.effects import Unreachable
from touchline_server.core.players.player_store import Answer, PlayerStore
from touchline_server.core.players.shared_players import SYNC_MS

from .driver import Driver, Peer

AWAY_S = 1.0
"""Between two attempts while the store does not answer, which may take as long as its deadline each."""

logger = structlog.get_logger("touchline.players")


class PlayerSync:
    """The way to one player store, for ``arrivals``."""

    def __init__(self, store: PlayerStore, arrivals: Arrivals[Peer]) -> None:
        self._store = store
        self._arrivals = arrivals
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Somebody waits for an exchange."""
        self._wanted.set()

    def start(self, driver: Driver) -> None:
        """Begin to exchange."""
        self._task = asyncio.create_task(self._run(driver), name="players")

    async def stop(self, driver: Driver) -> None:
        """Report the last changes, and let this worker's connections count no more. Call this once all are gone."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._arrivals.problem is None:
            with contextlib.suppress(StoreUnavailable, StoreRefused):
                await self._store.exchange(self._arrivals.next_exchange(driver.now()))
            await self._store.close()

    async def _run(self, driver: Driver) -> None:
        try:
            while True:
                self._wanted.clear()
                answer = await self._exchange(driver)
                driver.perform(self._arrivals.answered(answer, driver.now()))
                if self._arrivals.is_urgent:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AWAY_S if isinstance(answer, Unreachable) else SYNC_MS / 1000):
                        await self._wanted.wait()
        except Exception as error:  # noqa: BLE001 - nobody awaits this task, and clients would wait for ever
            driver.fail(error)

    async def _exchange(self, driver: Driver) -> Answer | Unreachable:
        was_away = self._arrivals.problem is not None
        try:
            answer = await self._store.exchange(self._arrivals.next_exchange(driver.now()))
        except (StoreUnavailable, StoreRefused) as error:
            if not was_away:
                logger.warning("players_apart", why=str(error))
            return Unreachable(str(error))
        if was_away:
            logger.warning("players_together")
        return answer
