"""Appends players' actions to the log, one batch after the other, and reports to the core how that went.

While a batch is under way the next one gathers, so batches grow with the load. When the log does not take one, actions
are refused at once until `Log.check_writable` finds that the log is back.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from touchline_protocol.errors import OperatorError
from touchline_server.core.log import AppendFailed, Entry, Log
from touchline_server.core.players.action_queue import PendingAction

from .driver import Driver

CHECK_S = 0.25
"""Between two checks whether the log is back: as often as is checked while an append waits."""

STOP_S = 6.0
"""How long a stop waits for the actions that are left; an append gives up after 5 s."""

logger = logging.getLogger("touchline.actions")


class Appender:
    """The way of actions into ``topic``, whose log keeps the order of each player's records."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._wanted = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something to append."""
        self._wanted.set()

    async def start(self, driver: Driver, *, expected: bool) -> None:
        """Begin to append. If actions are ``expected``, first check that the log takes them."""
        if expected:
            self._set_unavailable(driver, await self._problem())
            self._wanted.set()
        self._task = asyncio.create_task(self._run(driver), name="actions")

    async def stop(self, driver: Driver) -> None:
        """Take no more actions, and append those that wait."""
        if self._task is None:
            return
        self._stopping = True
        driver.core.actions.unavailable = "this edge is stopping"
        self._wanted.set()
        await asyncio.wait([self._task], timeout=STOP_S)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, driver: Driver) -> None:
        try:
            while not self._stopping:
                await self._until_wanted(driver)
                while batch := driver.core.actions.next_batch():
                    await self._append(driver, batch)
                if driver.core.actions.unavailable is not None:
                    await self._until_back(driver)
        except Exception as error:  # noqa: BLE001 - nobody awaits this task, and players would wait for ever
            driver.fail(error)

    async def _until_wanted(self, driver: Driver) -> None:
        """Wait for actions, or until the log is known to be away before an append finds out."""
        while not self._wanted.is_set():
            try:
                async with asyncio.timeout(CHECK_S):
                    await self._wanted.wait()
            except TimeoutError:
                if (problem := self._log.unreachable) is not None:
                    self._set_unavailable(driver, problem)
                    return
        self._wanted.clear()

    async def _append(self, driver: Driver, batch: "Sequence[PendingAction[Any]]") -> None:
        entries = [Entry(action.key, action.value, action.headers, action.received_ms) for action in batch]
        written = len(batch)
        try:
            await self._log.append(self._topic, entries)
        except AppendFailed as error:
            written = error.written
            self._set_unavailable(driver, str(error))
        except OperatorError as error:
            written = 0
            self._set_unavailable(driver, str(error))
        driver.perform(driver.core.appended(batch, written, driver.now()))

    async def _until_back(self, driver: Driver) -> None:
        while not self._stopping:
            await asyncio.sleep(CHECK_S)
            problem = await self._problem()
            self._set_unavailable(driver, problem)
            if problem is None:
                return

    async def _problem(self) -> str | None:
        """Why nothing can be appended, or None."""
        try:
            await self._log.check_writable(self._topic)
        except OperatorError as error:
            return str(error)
        return self._log.unreachable

    def _set_unavailable(self, driver: Driver, problem: str | None) -> None:
        actions = driver.core.actions
        if self._stopping:
            return
        if problem is not None and actions.unavailable is None:
            logger.warning("actions are refused until the log accepts them: %s", problem)
        elif problem is None and actions.unavailable is not None:
            logger.warning("the log accepts actions again")
        actions.unavailable = problem
