"""Appends what players do, one batch after the other, and tells them how that went.

One task for all connections. While a batch is under way the next one gathers, so batches grow with the load. When the
log does not take one, actions are refused at once until `ActionLog.check` finds that it is back.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from touchline_server.core.action_queue import Actions, Draft
from touchline_server.core.client import Session

if TYPE_CHECKING:
    from .connection import Connection

CHECK_S = 0.25
"""Between two looks whether the log is back: as often as it is looked at while an append waits."""

STOP_S = 6.0
"""For what waits when the edge stops; an append gives up after 5 s."""

logger = logging.getLogger("touchline.actions")


class Appended(NamedTuple):
    """How many actions of a batch the log has, the first ones, and why not all; None where it has all."""

    taken: int
    problem: str | None


class ActionLog(Protocol):
    """Where actions go."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be appended, as far as is known without asking."""

    async def append(self, drafts: Sequence[Draft]) -> Appended:
        """Append in order. Returns once it is known how many are in the log, durably."""

    async def check(self) -> str | None:
        """Ask whether anything can be appended; why not, or None."""


class Acting:
    """The way of actions into the log. ``failed`` is told of a mistake of ours that ended it."""

    def __init__(self, actions: Actions, log: ActionLog, failed: Callable[[Exception], None]) -> None:
        self._actions = actions
        self._log = log
        self._failed = failed
        self._wanted = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, expected: bool) -> None:
        """Begin to append. Where actions are ``expected``, it is asked first whether the log takes them."""
        if expected:
            self._away(await self._log.check())
            self._wanted.set()
        self._task = asyncio.create_task(self._run(), name="actions")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Take no more, and append what waits."""
        if self._task is None:
            return
        self._stopping = True
        self._actions.away = "this edge is stopping"
        self._wanted.set()
        await asyncio.wait([self._task], timeout=STOP_S)
        self._task.cancel()
        await asyncio.wait([self._task])

    def wake(self) -> None:
        """There is something to append."""
        self._wanted.set()

    def look(self) -> None:
        """To be called now and then: the log may be known to be away before an append finds out."""
        if self._actions.away is None and (problem := self._log.problem) is not None:
            self._away(problem)
            self._wanted.set()

    async def _run(self) -> None:
        while not self._stopping:
            await self._wanted.wait()
            self._wanted.clear()
            while batch := self._actions.batch():
                await self._append(batch)
            if self._actions.away is not None:
                await self._until_back()

    async def _append(self, batch: Sequence[Draft]) -> None:
        appended = await self._log.append(batch)
        if appended.problem is not None:
            self._away(appended.problem)
        answer_all(self._actions.settle(batch, appended.taken))

    async def _until_back(self) -> None:
        while not self._stopping:
            await asyncio.sleep(CHECK_S)
            problem = await self._log.check() or self._log.problem
            self._away(problem)
            if problem is None:
                return

    def _away(self, problem: str | None) -> None:
        if self._stopping:
            return
        if problem is not None and self._actions.away is None:
            logger.warning("actions are refused until the log takes them: %s", problem)
        elif problem is None and self._actions.away is not None:
            logger.warning("the log takes actions again")
        self._actions.away = problem

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._failed(error)


def answer_all(sessions: Iterable[Session]) -> None:
    """Write what the sessions have to say, and close those that are to be closed."""
    for session in sessions:
        cast("Connection", session.client).answer()
