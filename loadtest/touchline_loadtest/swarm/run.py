"""A whole run: the shape, the fence at its end, the checks, and the result."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.clock import now_ms
from touchline_loadtest.feeds.moments import play
from touchline_loadtest.measure import machine
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_loadtest.runs.records import RunInfo
from touchline_loadtest.runs.versions import versions
from touchline_loadtest.runs.writer import RunWriter

from . import commands
from .monitor import Monitor
from .plan import KICK_OFF_S, Plan, Publishing, Settings, Shape, make_plan
from .result import Outcome, summarise
from .sample import Observations, SampledClient, is_quiet, states_differ
from .workers import Workers, open_workers

CONNECTING_MAX = 500
"""Clients of a process that are on their way in at the same time, unless all return at once from an avalanche."""
JOIN_TIMEOUT_S = 60.0
LEAVE_TIMEOUT_S = 30.0
TAIL_S = 1.0
"""How long counters read at the end, so that most rooms have an event meanwhile: its offset says where they stand."""
STATES_TIMEOUT_S = 30.0
WARM_UP_S = 1.0
"""From the sample's first connections, or the first event, to the rest."""


Newest: TypeAlias = Callable[[], Mapping[str, int] | None]
"""The offset of the newest event that the sample has of each room; None as long as it is not in all rooms."""
Beside: TypeAlias = Callable[[Newest], Coroutine[Any, Any, None]]
"""What is to happen beside a run, until that ends."""


async def run_swarm(settings: Settings, writer: RunWriter | None = None, beside: Beside | None = None) -> Outcome:
    """Run it. Without a ``writer``, no run is recorded. ``beside`` is begun once the sample covers all rooms.

    Raises:
        OperatorError: the settings contradict each other, or the run folder cannot be written.
        ProcessFailed: a worker ended.
        ClientsFailed: nobody was let in.
    """
    plan = make_plan(settings)
    async with contextlib.AsyncExitStack() as stack:
        traces = None if writer is None else stack.enter_context(TraceWriter(writer.folder))
        seen = Observations()
        witnesses, others = (
            [SampledClient(client, seen, settings.token, traces) for client in clients]
            for clients in (plan.witnesses, plan.sample)
        )
        workers = await stack.enter_async_context(open_workers(settings.processes))
        monitor = Monitor(workers, seen, [*witnesses, *others], writer, settings.servers)
        swarm = _Swarm(settings, plan, workers, monitor, seen, witnesses, others)
        stack.callback(swarm.close)
        await swarm.join_witnesses()
        if beside is not None:
            await stack.enter_async_context(_meanwhile(beside(swarm.newest)))
        async with _publishing(settings.publishing):
            await swarm.play_shape()
            return await swarm.finish()


def run_info(settings: Settings) -> RunInfo:
    """The beginning of a run's record."""
    return RunInfo(
        name=f"swarm, {settings.shape}, {settings.clients:,} clients",
        kind="swarm",
        began_ms=now_ms(),
        versions=versions(),
        machine=machine.describe(),
        settings={
            "clients": settings.clients,
            "rooms": len(settings.rooms),
            "edges": len(settings.edges),
            "sample": settings.sample,
            "processes": settings.processes,
            "seconds": settings.seconds,
            "shape": str(settings.shape),
            "popularity": settings.popularity,
            "rooms per client": "-".join(map(str, settings.rooms_per_client)),
            "seed": settings.seed,
            "publishes": "nothing" if settings.publishing is None else str(settings.publishing.feed.name),
        },
    )


@contextlib.asynccontextmanager
async def _publishing(publishing: Publishing | None) -> AsyncIterator[None]:
    """Play the feed, if there is one, until the context ends. If it fails, so does the context."""
    if publishing is None:
        yield
        return
    moments = publishing.feed.moments()
    async with (
        publishing.destination.open(publishing.feed.feeds()) as publish,
        _meanwhile(play(moments, publish, speed=publishing.speed)),
    ):
        yield


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run ``work`` until the context ends. If it fails, so does the context."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work)
            yield
            task.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


class _Swarm:
    """The parts of a run, put together."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        workers: Workers,
        monitor: Monitor,
        seen: Observations,
        witnesses: Sequence[SampledClient],
        others: Sequence[SampledClient],
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._workers = workers
        self._monitor = monitor
        self._seen = seen
        self._witnesses = witnesses
        self._others = others

    @property
    def _sample(self) -> list[SampledClient]:
        return [*self._witnesses, *self._others]

    async def join_witnesses(self) -> None:
        """Connect those that cover all rooms, before anything else.

        Raises:
            ClientsFailed: nobody was let in, so there is nothing to wait for.
        """
        await _all_within(JOIN_TIMEOUT_S, (client.connect() for client in self._witnesses))
        joined = await self._monitor.until(lambda: all(client.is_in for client in self._witnesses), JOIN_TIMEOUT_S)
        if not any(client.is_in for client in self._witnesses):
            reasons = [*self._monitor.breaches, *self._seen.breaches]
            reason = f": {reasons[0]}" if reasons else ""
            raise ClientsFailed(f"nobody was let into a room within {JOIN_TIMEOUT_S:g} s{reason}")
        if not joined:
            self._report_absent(self._witnesses)

    def newest(self) -> Mapping[str, int] | None:
        """The newest offset of each room that the sample has; None as long as it is not in all rooms."""
        lives = [follower.live for client in self._witnesses for follower in client.followers.values()]
        return {live.room: live.offset for live in lives} if all(live.epoch is not None for live in lives) else None

    async def play_shape(self) -> None:
        """Let everybody connect, and watch, as the shape says."""
        settings, monitor = self._settings, self._monitor
        await monitor.during(min(WARM_UP_S, settings.seconds))
        monitor.mark("all connect")
        kick_off = settings.shape is Shape.KICK_OFF
        await self._connect({}, KICK_OFF_S if kick_off else 0)
        if settings.shape is Shape.AVALANCHE:
            monitor.mark("all are in")
            await monitor.during(settings.seconds / 2)
            monitor.mark("all connections are cut", "fault")
            await self._avalanche()
            await monitor.during(settings.seconds / 2)
        else:
            monitor.mark("all are in")
            await monitor.during(settings.seconds)

    async def finish(self) -> Outcome:
        """The fence, and what it shows."""
        monitor = self._monitor
        monitor.mark("counters leave")
        await monitor.collect()
        self._seen.measuring = False
        tail_s = min(TAIL_S, self._settings.seconds)
        await self._workers.all(commands.Leave(tail_s, LEAVE_TIMEOUT_S))
        await monitor.until_idle(tail_s + LEAVE_TIMEOUT_S + JOIN_TIMEOUT_S)
        verdict = await self._workers.verify(commands.Verify(self._seen.ledgers))
        monitor.found(verdict.breaches)
        await self._compare_states()
        await monitor.collect()
        return summarise(self._settings, self._plan, monitor, verdict)

    def close(self) -> None:
        """Disconnect the sample."""
        for client in self._sample:
            client.leave()

    async def _connect(self, cursors: dict[str, commands.Cursor], over_s: float) -> None:
        timeout_s = over_s + JOIN_TIMEOUT_S
        await self._workers.each(
            [
                commands.Connect(
                    list(clients),
                    cursors,
                    self._settings.token,
                    at_once=len(clients) if cursors else CONNECTING_MAX,
                    timeout_s=timeout_s,
                )
                for clients in self._plan.counters
            ]
        )
        returning = self._sample if cursors else self._others
        connecting = _all_within(timeout_s, (_connect_at(client) for client in returning))
        await asyncio.gather(self._monitor.until_idle(timeout_s + 10), connecting)
        if not await self._monitor.until(lambda: all(client.is_in for client in self._sample), JOIN_TIMEOUT_S):
            self._report_absent(self._sample)

    async def _avalanche(self) -> None:
        """Cut all connections, and let all come back at once with the cursors of the sample."""
        await self._workers.all(commands.Cut())
        cursors: dict[str, commands.Cursor] = {}
        for client in self._witnesses:
            cursors |= {
                room: follower.live.cursor
                for room, follower in client.followers.items()
                if follower.live.cursor is not None
            }
        for client in self._sample:
            client.cut()
        await self._connect(cursors, 0)

    def _report_absent(self, clients: Sequence[SampledClient]) -> None:
        for client in clients:
            if not client.is_in:
                client.found("never_joined", f"it was not in its rooms after {JOIN_TIMEOUT_S:g} s")

    async def _compare_states(self) -> None:
        """Let a fresh client join each room, and compare its state with that of the sample at the same offset."""
        fresh = [
            SampledClient(
                msgspec.structs.replace(client.described, name=f"fresh-{number}"), self._seen, self._settings.token
            )
            for number, client in enumerate(self._witnesses, 1)
        ]
        await _all_within(STATES_TIMEOUT_S, (client.connect() for client in fresh))
        pending = {room: client for client in fresh for room in client.followers}

        def compared() -> bool:
            for room, client in list(pending.items()):
                live = client.followers[room].live
                owner = next(each for each in self._witnesses if room in each.followers)
                if live.joined and owner.followers[room].live.cursor == live.cursor:
                    del pending[room]
                    breach = states_differ(self._sample, room, client)
                    self._monitor.found([breach] if breach is not None else [])
            return not pending

        if not await self._monitor.until(compared, STATES_TIMEOUT_S):
            for room, client in pending.items():
                cursor = client.followers[room].live.cursor
                if client.is_in and is_quiet(self._sample, room, client):
                    breach = states_differ(self._sample, room, client, quiet=True)
                    self._monitor.found([breach] if breach is not None else [])
                    continue
                kind = "states_differ" if client.is_in else "never_joined"
                client.found(kind, f"it and the sample were never at the same place: it is at {cursor}", room)
        for client in fresh:
            client.leave()


async def _all_within(timeout_s: float, attempts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Let clients connect. One that finds no server by then stays away."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*attempts)


async def _connect_at(client: SampledClient) -> None:
    await asyncio.sleep(client.described.at_s)
    await client.connect()
