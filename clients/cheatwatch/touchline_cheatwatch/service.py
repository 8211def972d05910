"""Puts engine and sources together: three loops that share one engine, and report to an observer.

At the start it first reads the current verdicts, then the events up to now, then actions. A verdict is written before
the next actions are asked for, and so before the ones that led to it can be committed. After a crash those are judged
again, and the verdict that is in force by then is not repeated.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from touchline.actions import ActionSource
from touchline_protocol.errors import RecordsRefused

from .engine import Engine, Outcome, verdicts_of
from .sources import EventsLost, EventSource, VerdictLog
from .types import Action

ACTIONS_MAX = 500
"""Actions judged in one turn of the loop. It takes about 10 ms, after which heartbeats and events get their turn."""

START_TIMEOUT_S = 30.0
"""How long to wait for older events. After that judging begins: rules that need events wait, and others need none."""

_log = logging.getLogger("touchline.cheatwatch")


class Observer(Protocol):
    """Receives what the service sees. It is called in the loop, so it has to be quick."""

    def watching(self) -> None:
        """The service is up to date, and judges from now on."""

    def judged(self, actions: Sequence[Action], now_ms: int) -> None:
        """These actions were judged."""

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """These are the outcomes; their verdicts are written."""


class Service:
    """Reads, judges, writes."""

    def __init__(
        self,
        engine: Engine,
        actions: ActionSource,
        events: EventSource,
        verdicts: VerdictLog,
        observer: Observer,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._actions = actions
        self._events = events
        self._verdicts = verdicts
        self._observer = observer
        self._clock = clock

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            OperatorError: a source cannot be read, or a verdict cannot be written.
        """
        for player, verdict in await self._verdicts.current():
            self._engine.verdict(player, verdict)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not self._events.known_ms:
                    await self._read_events()
        except TimeoutError:
            pass
        self._engine.advance(self._now_ms(), self._events.known_ms)
        self._observer.watching()
        loops = [asyncio.ensure_future(loop()) for loop in (self._judge, self._follow_events, self._follow_verdicts)]
        try:
            await asyncio.gather(*loops)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def _judge(self) -> None:
        while True:
            actions = await self._actions.batch(ACTIONS_MAX)
            now_ms = self._now_ms()
            outcomes = [outcome for action in actions for outcome in self._engine.judge(action, now_ms)]
            self._observer.judged(actions, now_ms)
            await self._report(outcomes)

    async def _follow_events(self) -> None:
        while True:
            await self._read_events()
            await self._report(self._engine.advance(self._now_ms(), self._events.known_ms))

    async def _read_events(self) -> None:
        for one in await self._events.poll():
            if isinstance(one, EventsLost):
                self._engine.events_lost()
            else:
                self._engine.event(one.room, one.event, complete=one.complete)

    async def _follow_verdicts(self) -> None:
        while True:
            for player, verdict in await self._verdicts.poll():
                self._engine.verdict(player, verdict)

    async def _report(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        if verdicts := verdicts_of(outcomes):
            try:
                await self._verdicts.write(verdicts)
            except RecordsRefused as error:
                # After a restart the same verdict would be refused again, so nobody else would ever be judged.
                _log.error("%d of %d verdicts cannot be written: %s", len(error.refused), len(verdicts), error)
        self._observer.found(outcomes)

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)
