"""Puts engine and sources together: three loops that share one engine, and report to an observer.

At the start it first reads the current verdicts, then the events up to now, then actions. A verdict is written before
the next actions are asked for, and so before the ones that led to it can be committed. After a crash those are judged
again, and the verdict that is in force by then is not repeated.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from touchline.actions import ActionSource
from touchline_protocol.errors import RecordsRefused

from .clocks.comparison import STEP_MS
from .clocks.steady import SteadyClock
from .engine import Engine, Outcome, verdicts_of
from .sources import EventsLost, EventSource, VerdictLog
from .types import Now, PlayerAction

ACTIONS_MAX = 500
"""Actions judged in one turn of the loop. It takes about 10 ms, after which heartbeats and events get their turn."""

START_TIMEOUT_S = 30.0
"""How long to wait for older events. After that judging begins: rules that need events wait, and others need none."""

_log = logging.getLogger("touchline.cheatwatch")


class Observer(Protocol):
    """Receives what the service sees. It is called in the loop, so it has to be quick."""

    def watching(self) -> None:
        """The service is up to date, and judges from now on."""

    def judged(self, actions: Sequence[PlayerAction], now: Now) -> None:
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
        clock: SteadyClock | None = None,
    ) -> None:
        self._engine = engine
        self._actions = actions
        self._events = events
        self._verdicts = verdicts
        self._observer = observer
        self._clock = clock or SteadyClock()
        self._now = self._clock.now

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            OperatorError: a source cannot be read, or a verdict cannot be written.
        """
        for player, verdict in await self._verdicts.current():
            self._engine.verdict(player, verdict)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while self._events.known_s is None:
                    await self._read_events()
        except TimeoutError:
            pass
        self._engine.advance(self._now(), self._known_ms())
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
            if set_by_ms := self._clock.set_by_ms(STEP_MS):
                _log.warning("this computer's clock was set by %+.1f s: verdicts end by it", set_by_ms / 1000)
            now = self._now()
            outcomes = [outcome for action in actions for outcome in self._engine.judge(action, now)]
            self._observer.judged(actions, now)
            await self._report(outcomes)

    async def _follow_events(self) -> None:
        while True:
            await self._read_events()
            await self._report(self._engine.advance(self._now(), self._known_ms()))

    def _known_ms(self) -> int:
        known_s = self._events.known_s
        return 0 if known_s is None else self._clock.steady_ms(known_s)

    async def _read_events(self) -> None:
        events = await self._events.poll()
        now = self._now()
        for one in events:
            if isinstance(one, EventsLost):
                self._engine.events_lost()
            else:
                self._engine.event(one.room, one.event, now, complete=one.complete)

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
