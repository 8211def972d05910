"""All workers of an edge: their lives, their processes, and what they report.

`watch` starts the processes that are due and ends those that hang, for as long as it runs.
"""

import asyncio
import pickle
import signal
import time
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial

import structlog

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.control.backend import (
    LAST_WORKER,
    WORKER_NOT_SERVING,
    WORKER_UNKNOWN,
    ImpossibleRequest,
    Readiness,
)
from touchline_server.control.status import WorkerDetails
from touchline_server.metrics.snapshot import Snapshot
from touchline_server.node.readiness import EDGE, STARTING

from .crew_metrics import CRASH, HUNG, CrewMetrics
from .lifecycle import WorkerLife, WorkerState
from .messages import Beat, Closed, Reload, Serving, Start, StopServing
from .worker_process import WorkerProcess

TICK_S = 0.1
"""How often the workers are looked at."""
HELD_UP_S = 1.0
"""A tick that comes this late means that this process was held up itself, and cannot tell who was silent."""
END_BY_ITSELF_S = 2.0
"""How long a process that hangs may take to write down where, and to end. That takes milliseconds, unless it is stopped
or waits for the disk."""
RELOAD_TIMEOUT_S = 15.0
"""How long a worker may take to apply settings: three times as long as fetching a key set may take."""
SILENT = "no sign of life"
ENDED = "its process has ended; the next one starts soon"

logger = structlog.get_logger("touchline.node")


class WorkerFailed(Exception):
    """A worker's first process ended with an error that is a mistake of ours. It has logged that itself."""


class Crew:
    """``count`` workers, each started by ``command`` (see `WorkerProcess.start`), which share ``host`` and ``port``.

    ``lowered``: the limits in ``settings`` that are lower than the operator asked for, and why. ``failure`` is done,
    with what went wrong, once the whole edge has to end: a worker could not start even once.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        count: int,
        command: Sequence[str],
        address: tuple[str, int],
        lowered: Mapping[str, str],
    ) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.all_served = asyncio.Event()
        """Set once each worker has accepted clients."""
        self._all_stopped = asyncio.Event()
        self._settings = settings
        self._command = command
        self._address = address
        self._lowered = dict(lowered)
        names = [f"{settings.edge_name}/{number}" for number in range(1, count + 1)]
        self._lives = {name: WorkerLife(settings.worker_hang_s, time.monotonic()) for name in names}
        self._processes: dict[str, WorkerProcess] = {}
        self._readiness: dict[str, Readiness] = {}
        self._metrics = CrewMetrics(names)
        self._tasks: set[asyncio.Task[None]] = set()
        """Reloads, and ends of processes that hang: none of them takes long."""

    async def watch(self) -> None:
        """Start the processes that are due, and end those that hang, until cancelled."""
        looked_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            held_up = now_s - looked_s > TICK_S + HELD_UP_S
            for name, life in self._lives.items():
                if held_up:
                    life.forgive(now_s)
                if life.is_due(now_s):
                    await self._start(name, life)
                elif life.is_hung(now_s):
                    self._end_hung(name, life.silent_s(now_s))
            looked_s = time.monotonic()
            await asyncio.sleep(TICK_S)

    def readiness(self) -> Mapping[str, Readiness]:
        """The readiness of each worker, by name."""
        return {name: self._readiness_of(name, life) for name, life in self._lives.items()}

    def serving(self) -> Sequence[WorkerProcess]:
        """The workers that have clients."""
        states = (WorkerState.SERVING, WorkerState.DRAINING, WorkerState.STOPPING)
        return [process for name, process in self._processes.items() if self._lives[name].state in states]

    async def metrics(self) -> Mapping[str, Snapshot]:
        """The metrics of all workers, by name."""
        return await self._metrics.read(self._serving_by_name())

    async def details(self) -> Mapping[str, WorkerDetails]:
        """What metrics do not have of the workers, by name: of those that do not answer, only their recent closes."""
        return await self._metrics.details(self._serving_by_name())

    def _serving_by_name(self) -> dict[str, WorkerProcess]:
        serving = self.serving()
        return {name: process for name, process in self._processes.items() if process in serving}

    def drain(self, worker: str, timeout_s: float) -> None:
        """Have a worker drain and end; another process takes its place. It is killed if it takes longer than this.

        Raises:
            ImpossibleRequest: there is no such worker, it does not serve, or no other one does.
        """
        life = self._lives.get(worker)
        if life is None:
            raise ImpossibleRequest(WORKER_UNKNOWN, f"there is no such worker here, only {', '.join(self._lives)}")
        if life.state is not WorkerState.SERVING:
            raise ImpossibleRequest(WORKER_NOT_SERVING, f"{worker} is {life.state.value}: wait until it serves")
        now_s = time.monotonic()
        others = [one for name, one in self._lives.items() if name != worker and one.state is WorkerState.SERVING]
        if not any(not one.is_silent(now_s) for one in others):
            raise ImpossibleRequest(LAST_WORKER, f"no other worker than {worker} serves: its clients had nowhere to go")
        process = self._processes[worker]
        life.drain()
        process.send(StopServing())
        asyncio.get_running_loop().call_later(timeout_s, self._kill_late, worker, process, timeout_s)
        logger.info("worker_drains", worker=worker, pid=process.pid)

    def reload(self, settings: Settings, new: Settings, lowered: Mapping[str, str]) -> None:
        """Have all workers take over ``new``; those that start later begin with ``settings``, which are in force."""
        self._settings, self._lowered = settings, dict(lowered)
        pickled = pickle.dumps(new)
        for life in self._lives.values():
            life.hang_s = settings.worker_hang_s
        for name, process in self._processes.items():
            self._begin(self._reload(name, process, pickled))

    async def stop(self, timeout_s: float) -> None:
        """Have all workers drain at once, and wait for their end. Those that take longer than this are killed.

        One that is still importing its modules is killed at once: it holds nothing, and could not hear anything.
        """
        for life in self._lives.values():
            life.stop()
        for name, process in self._processes.items():
            if self._lives[name].gave_sign:
                process.send(StopServing())
            else:
                process.kill()
        self._note_stopped()
        try:
            await asyncio.wait_for(self._all_stopped.wait(), timeout_s)
        except TimeoutError:
            for name, process in self._processes.items():
                logger.error("worker_killed", worker=name, pid=process.pid, waited_s=round(timeout_s, 1))
            self.kill()
            await self._all_stopped.wait()

    def kill(self) -> None:
        """Kill all workers. Safe in a signal handler."""
        for process in list(self._processes.values()):
            process.kill()

    def _readiness_of(self, name: str, life: WorkerLife) -> Readiness:
        if life.state is WorkerState.WAITING:
            return Readiness({EDGE: ENDED}, {})
        if life.is_silent(now_s := time.monotonic()):
            return Readiness({EDGE: f"{SILENT} for {life.silent_s(now_s):.0f} s"}, {})
        return self._readiness.get(name, Readiness({EDGE: STARTING}, {}))

    async def _start(self, name: str, life: WorkerLife) -> None:
        process = WorkerProcess(partial(self._reported, name), partial(self._ended, name))
        life.spawned(time.monotonic())
        self._processes[name] = process
        start = Start(name, *self._address, pickle.dumps(self._settings), self._lowered)
        try:
            await process.start([*self._command, name], start)
        except BaseException as error:
            del self._processes[name]
            again_s = life.ended(time.monotonic())
            self._note_stopped()
            if not isinstance(error, OSError):
                raise
            logger.error("worker_not_started", worker=name, why=error.strerror or str(error), again_s=again_s)
            return
        self._metrics.started(name, process.pid)
        logger.info("worker_started", worker=name, pid=process.pid)
        if life.state is WorkerState.STOPPING:  # meanwhile: `stop` could not reach it yet
            process.kill()

    def _kill_late(self, name: str, process: WorkerProcess, waited_s: float) -> None:
        if self._processes.get(name) is process:
            logger.error("worker_killed", worker=name, pid=process.pid, waited_s=round(waited_s, 1))
            process.kill()

    def _end_hung(self, name: str, silent_s: float) -> None:
        process = self._processes[name]
        if not process.is_ending:
            logger.error("worker_hung", worker=name, pid=process.pid, silent_s=round(silent_s, 1))
            self._begin(process.end(END_BY_ITSELF_S))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reported(self, name: str, report: Beat | Serving | Closed) -> None:
        life, now_s = self._lives[name], time.monotonic()
        life.heard(now_s)
        if isinstance(report, Beat):
            self._readiness[name] = report.readiness
        elif isinstance(report, Closed):
            self._metrics.closed(name, report.closes)
        else:
            life.served(now_s)
            if all(each.has_served for each in self._lives.values()):
                self.all_served.set()

    def _ended(self, name: str, process: WorkerProcess, code: int) -> None:
        life = self._lives[name]
        del self._processes[name]
        self._readiness.pop(name, None)
        was_asked = life.state is not WorkerState.SERVING and life.state is not WorkerState.STARTING
        again_s = life.ended(time.monotonic())
        self._metrics.ended(name, None if was_asked else HUNG if process.is_ending else CRASH)
        fields: dict[str, object] = {"exit_code": code} if code >= 0 else {"signal": signal.Signals(-code).name}
        if process.failure is not None:
            fields["why"] = process.failure
        if process.stacks:
            fields["exception"] = process.stacks
        if again_s is None:
            logger.info("worker_ended", worker=name, pid=process.pid, **fields)
            self._note_stopped()
        elif was_asked:
            logger.info("worker_ended", worker=name, pid=process.pid, **fields, again_s=again_s)
        elif code > 0 and not life.has_served:
            self._fail(name, process, code)
        else:
            logger.warning("worker_ended", worker=name, pid=process.pid, **fields, again_s=again_s)

    def _fail(self, name: str, process: WorkerProcess, code: int) -> None:
        """A worker could not start even once: trying again would not help, and an operator has to see it."""
        if self.failure.done():
            return
        if process.failure is not None:
            self.failure.set_exception(OperatorError(process.failure))
        else:
            self.failure.set_exception(WorkerFailed(f"{name} ended with exit code {code} before it served anybody"))

    def _note_stopped(self) -> None:
        if all(life.state is WorkerState.STOPPED for life in self._lives.values()):
            self._all_stopped.set()

    async def _reload(self, name: str, process: WorkerProcess, settings: bytes) -> None:
        lowered = self._lowered
        try:
            await process.ask(lambda request: Reload(request, settings, lowered), RELOAD_TIMEOUT_S)
        except OperatorError as error:
            logger.error("reload_refused", worker=name, why=str(error))
