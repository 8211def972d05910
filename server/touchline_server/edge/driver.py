"""Drives an edge's core in the event loop: performs its effects, takes its turns, keeps its time.

Rules:

1. Effects are performed in order, each before the next is asked for. It decides nothing.
2. A turn is one callback of the loop: between two turns the loop serves sockets and the log. A step is one as well, and
   time passes between two of them.
3. An error in a turn or a tick is a mistake of ours, and rooms could be left half written: it goes to ``failure``, and
   the process ends.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

import structlog

from touchline_protocol.codes import CloseCode
from touchline_server.core.clocks import ClockWatch, Now
from touchline_server.core.counters.histogram import LATENCY_MS, Histogram
from touchline_server.core.edge import EdgeCore
from touchline_server.core.effects import (
    Abort,
    AskLastAck,
    AskLogEnd,
    Close,
    Effect,
    FindOffset,
    LoadRoom,
    Notice,
    ReadLog,
    ServeInput,
)
from touchline_server.core.input_scheduler import STEP_MS
from touchline_server.core.liveness import TICK_MS
from touchline_server.core.rooms.room import Delivery, FlushTrace
from touchline_server.tracing.messages import record_flush
from touchline_server.tracing.port import NoTracer, Tracer

logger = structlog.get_logger("touchline.edge")

Request: TypeAlias = ReadLog | AskLogEnd | FindOffset | LoadRoom
"""What is asked of the log or of the room store."""


class Peer(Protocol):
    """A connection, as the driver needs it."""

    def close(self, code: CloseCode) -> None:
        """Close with a code; what was written before still goes out."""

    def abort(self, why: str = "") -> None:
        """Cut the connection; ``why`` is logged, if there is something to say."""

    def last_ack_ms(self) -> int | None:
        """How long ago the peer's kernel acknowledged something; None if it does not owe it."""

    def report(self, notice: "Notice[Peer]") -> None:
        """Log what the client is told."""

    def serve_turn(self) -> None:
        """Serve what the client has sent, as far as `EdgeCore.input` allows."""


class Driver:
    """Drives one core. ``ask`` is given what is to be read, ``append`` is called when actions wait for the log, and
    ``exchange`` when somebody waits for the player store.

    ``monotonic_s`` and ``wall_ns`` are the two clocks, which a test may replace.
    """

    def __init__(
        self,
        core: EdgeCore[Peer],
        *,
        ask: Callable[[Request], None],
        append: Callable[[], None],
        exchange: Callable[[], None] | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.core = core
        self._ask = ask
        self._append = append
        self._exchange = exchange
        self.tracer: Tracer = tracer or NoTracer()
        self._loop = asyncio.get_running_loop()
        self.monotonic_s = self._loop.time
        self.wall_ns = time.time_ns
        self.failure: asyncio.Future[None] = self._loop.create_future()
        """Done, with what went wrong, once a part has failed that should run for ever."""
        self.loop_lag = Histogram(LATENCY_MS)
        """How many milliseconds late ticks came."""
        self._tick_due_s = 0.0
        self._clock_watch = ClockWatch()
        self._turn_scheduled = False
        self._step_timer: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> Now:
        """The time, on both clocks."""
        # Not LoopMs(…) and UnixMs(…): at runtime those are calls, and this runs for every message and turn.
        return Now(int(self.monotonic_s() * 1000), self.wall_ns() // 1_000_000)  # type: ignore[arg-type]

    def start(self) -> None:
        """Begin to keep time."""
        self._clock_watch.set_by_ms(self.now())
        self._schedule_tick(self._loop.time())

    def _schedule_tick(self, now_s: float) -> None:
        self._tick_due_s = now_s + TICK_MS / 1000
        self._timer = self._loop.call_at(self._tick_due_s, self._tick)

    def stop(self) -> None:
        """Keep time no longer."""
        for timer in (self._timer, self._step_timer):
            if timer is not None:
                timer.cancel()

    def perform(self, effects: Iterable[Effect[Peer]]) -> None:
        """Perform effects, then see to it that what is left to do is done."""
        self._perform_all(effects)
        self.wake()

    def _perform_all(self, effects: Iterable[Effect[Peer]]) -> None:
        for effect in effects:
            if isinstance(effect, Delivery):
                data = effect.data
                for write in effect.writes:
                    write(data)
            elif isinstance(effect, ServeInput):
                effect.owner.serve_turn()
            elif isinstance(effect, Close):
                effect.owner.close(effect.code)
            elif isinstance(effect, Abort):
                effect.owner.abort(effect.why)
            elif isinstance(effect, AskLastAck):
                self._perform_all(self.core.last_ack(effect.owner, effect.owner.last_ack_ms()))
            elif isinstance(effect, Notice):
                effect.owner.report(effect)
            elif isinstance(effect, FlushTrace):
                record_flush(self.tracer, effect, self.now().loop_ms)
            else:
                self._ask(effect)

    def wake(self) -> None:
        """Take a turn soon, or a step, if there is something to do, and have actions appended."""
        if self.core.wants_turn and not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._turn)
        if self._step_timer is None and self.core.wants_step:
            self._step_timer = self._loop.call_later(STEP_MS / 1000, self._step)
        if self.core.actions.has_pending:
            self._append()
        arrivals = self.core.arrivals
        if self._exchange is not None and arrivals is not None and arrivals.is_urgent:
            self._exchange()

    def fail(self, error: Exception) -> None:
        """A part that should run for ever has failed."""
        if not self.failure.done():
            self.failure.set_exception(error)

    def flush(self) -> None:
        """Events came in from the log."""
        self._guarded(self.core.flush)

    def _turn(self) -> None:
        self._turn_scheduled = False
        self._guarded(self.core.turn)

    def _step(self) -> None:
        self._step_timer = None
        self._guarded(self.core.step)

    def _tick(self) -> None:
        now_s = self._loop.time()
        self.loop_lag.observe((now_s - self._tick_due_s) * 1000)
        self._schedule_tick(now_s)
        if set_by_ms := self._clock_watch.set_by_ms(self.now()):
            logger.warning("clock_set", by_s=set_by_ms / 1000)
        self._guarded(self.core.tick)

    def _guarded(self, step: Callable[[Now], Iterable[Effect[Peer]]]) -> None:
        try:
            self.perform(step(self.now()))
        except Exception as error:  # noqa: BLE001 - the loop would only log a callback's error, and the edge hang
            self.fail(error)
