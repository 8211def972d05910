"""Appends players' actions to the log, one batch after the other, and reports to the core how that went.

While a batch is under way the next one gathers, so batches grow with the load.

Rules:

1. An action that the log refuses for what it is concerns its own player. It never pauses the queue.
2. When the log does not take a batch, the queue is paused: actions are refused at once. If `Log.check_writable` sees
   the reason, it also sees its end.
3. If it does not (too few replicas are in sync, for example), only an append can tell: one action at a time is let
   through as a probe, and the queue goes on once the log has taken one.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from touchline_protocol.errors import OperatorError, RecordRefusal, RecordsRefused, TopicRefused
from touchline_server.core.log import AppendFailed, Entry, Log, Position
from touchline_server.core.players.action_queue import PendingAction
from touchline_server.tracing.messages import AppendSpans

from .driver import Driver

CHECK_S = 0.25
"""Between two checks whether the log is back."""

CHECK_S_MAX = 2.0
"""The same while an operator has to act, and between two probes: each doubles the pause, up to this."""

STOP_S = 6.0
"""How long a stop waits for the actions that are left; an append gives up after 5 s."""

logger = structlog.get_logger("touchline.actions")


class _Problem(NamedTuple):
    """Why nothing can be appended, and whether that lasts until an operator acts."""

    why: str
    is_refusal: bool


class _Appended(NamedTuple):
    """How many actions the log took, and whether the append failed. Refused actions do not count as failures."""

    taken: int
    failed: bool


class Appender:
    """The way of actions into ``topic``, whose log keeps the order of each player's records."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something to append."""
        self._wanted.set()

    async def start(self, driver: Driver, *, expected: bool) -> None:
        """Begin to append. If actions are ``expected``, first check that the log takes them."""
        if expected and (problem := await self._problem()) is not None:
            self._pause(driver, problem.why)
            self._wanted.set()
        self._task = asyncio.create_task(self._run(driver), name="actions")

    async def stop(self, driver: Driver) -> None:
        """Take no more actions, and append those that wait."""
        if self._task is None:
            return
        self._stopping.set()
        driver.core.actions.pause("this edge is stopping")
        self._wanted.set()
        await asyncio.wait([self._task], timeout=STOP_S)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, driver: Driver) -> None:
        try:
            while not self._stopping.is_set():
                await self._until_wanted(driver)
                failed = False
                while batch := driver.core.actions.next_batch():
                    failed = (await self._append(driver, batch)).failed
                if driver.core.actions.unavailable is not None:
                    await self._until_back(driver, needs_probe=failed)
        except Exception as error:  # noqa: BLE001 - nobody awaits this task, and players would wait for ever
            driver.fail(error)

    async def _until_wanted(self, driver: Driver) -> None:
        """Wait for actions, or until the log is known to be away before an append finds out."""
        while not self._wanted.is_set():
            await self._wait_wanted()
            if not self._wanted.is_set() and (why := self._log.unreachable) is not None:
                self._pause(driver, why)
                return
        self._wanted.clear()

    async def _wait_wanted(self) -> None:
        """Wait for `wake`, but not longer than until the next check."""
        try:
            async with asyncio.timeout(CHECK_S):
                await self._wanted.wait()
        except TimeoutError:
            pass

    async def _append(self, driver: Driver, batch: "Sequence[PendingAction[Any]]") -> _Appended:
        spans = AppendSpans(driver.tracer, self._topic, batch, driver.now())
        entries = [
            Entry(action.key, action.value, spans.headers(index, action.headers), action.received_ms)
            for index, action in enumerate(batch)
        ]
        written, refused, why = len(batch), dict[int, RecordRefusal](), None
        positions: Sequence[Position] = ()
        try:
            positions = await self._log.append(self._topic, entries, independent=True)
        except RecordsRefused as error:
            refused = dict(error.refused)
            logger.warning("actions_refused", topic=self._topic, count=len(error.refused), why=str(error))
        except (AppendFailed, TopicRefused) as error:
            written, refused, why = error.written, dict(error.refused), str(error)
        except OperatorError as error:
            written, why = 0, str(error)
        spans.end(written, refused, positions)
        if why is not None:
            self._pause(driver, why)
        driver.perform(driver.core.appended(batch, written, driver.now(), refused))
        taken = written - sum(1 for index in refused if index < written)
        return _Appended(taken, failed=why is not None)

    async def _until_back(self, driver: Driver, *, needs_probe: bool) -> None:
        """Wait until the log takes actions again."""
        pause_s = CHECK_S
        while not await self._is_stopping_within(pause_s):
            problem = await self._problem()
            if problem is not None:
                needs_probe = False  # the check has seen the reason, so it sees its end
                self._pause(driver, problem.why)
                pause_s = min(pause_s * 2, CHECK_S_MAX) if problem.is_refusal else CHECK_S
            elif not needs_probe or await self._probe(driver):
                self._resume(driver)
                return
            else:
                pause_s = min(pause_s * 2, CHECK_S_MAX)

    async def _probe(self, driver: Driver) -> bool:
        """Let single actions through until one tells whether the log takes it."""
        actions = driver.core.actions
        while not self._stopping.is_set() and self._log.unreachable is None:
            actions.admit_probe()
            self._wanted.clear()
            await self._wait_wanted()
            if batch := actions.next_batch():
                appended = await self._append(driver, batch)
                if appended.failed or appended.taken:
                    return not appended.failed
        return False

    async def _is_stopping_within(self, pause_s: float) -> bool:
        try:
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _problem(self) -> _Problem | None:
        """Why nothing can be appended, as far as that can be seen without appending."""
        try:
            await self._log.check_writable(self._topic)
        except OperatorError as error:
            return _Problem(str(error), isinstance(error, TopicRefused))
        why = self._log.unreachable
        return None if why is None else _Problem(why, is_refusal=False)

    def _pause(self, driver: Driver, why: str) -> None:
        if self._stopping.is_set():
            return
        if driver.core.actions.unavailable is None:
            logger.warning("actions_paused", topic=self._topic, why=why)
        driver.core.actions.pause(why)

    def _resume(self, driver: Driver) -> None:
        if not self._stopping.is_set():
            logger.warning("actions_resumed", topic=self._topic)
            driver.core.actions.resume()
