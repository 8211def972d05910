"""The metrics of all workers: asks those that serve, and remembers what the processes before them had counted."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Mapping

from touchline_protocol.errors import OperatorError
from touchline_server.control.backend import CONTROL
from touchline_server.control.status import CLOSES_MAX, CloseStatus, WorkerDetails
from touchline_server.metrics.merge import WorkerTotals
from touchline_server.metrics.metric import snapshot
from touchline_server.metrics.process_table import process_snapshot
from touchline_server.metrics.server_table import SERVER_METRICS
from touchline_server.metrics.snapshot import Snapshot
from touchline_server.metrics.supervisor_table import SUPERVISOR_METRICS, CrewView

from .messages import Details, Metrics, ReadDetails, ReadMetrics
from .worker_process import WorkerProcess

TIMEOUT_S = 1.0
"""How long a worker may take to answer. A scrape has 10 s by default, and has to show the others all the same."""
CRASH, HUNG = "crash", "hung"
"""Why a process ended that nobody had asked to."""


class CrewMetrics:
    """The metrics of the workers ``names``."""

    def __init__(self, names: Iterable[str]) -> None:
        self._totals = WorkerTotals(SERVER_METRICS)
        self._pids: dict[str, int] = {}
        self._started: Counter[str] = Counter(dict.fromkeys(names, 0))
        self._closes = {name: deque[CloseStatus](maxlen=CLOSES_MAX) for name in self._started}
        """The newest ends of connections of each worker, over all processes that took its place."""
        self._ended: Counter[tuple[str, str]] = Counter({(n, why): 0 for n in self._started for why in (CRASH, HUNG)})

    def started(self, worker: str, pid: int) -> None:
        """A process was started for a worker."""
        self._started[worker] += 1
        self._pids[worker] = pid

    def ended(self, worker: str, why: str | None) -> None:
        """The process of a worker has ended; ``why`` is None if it was asked to."""
        self._totals.ended(worker)
        self._pids.pop(worker, None)
        if why is not None:
            self._ended[worker, why] += 1

    def closed(self, worker: str, closes: Iterable[CloseStatus]) -> None:
        """Connections of a worker have ended; oldest first."""
        self._closes[worker].extend(closes)

    async def read(self, serving: Mapping[str, WorkerProcess]) -> Mapping[str, Snapshot]:
        """The metrics of all workers, by name, and those of this process."""
        answers = await asyncio.gather(*(self._ask(worker, process) for worker, process in serving.items()))
        found = {worker: answer for worker, answer in zip(serving, answers, strict=True) if answer is not None}
        silent = {worker: self._totals.without_answer(worker) for worker in self._started if worker not in found}
        view = CrewView({worker: worker in found for worker in self._started}, self._started, self._ended)
        return {**found, **silent, CONTROL: {**snapshot(SUPERVISOR_METRICS, view), **process_snapshot()}}

    async def details(self, serving: Mapping[str, WorkerProcess]) -> Mapping[str, WorkerDetails]:
        """What metrics do not have of the workers, by name: of those that do not answer, only their recent closes."""
        answers = dict(zip(serving, await asyncio.gather(*map(_details, serving.values())), strict=True))
        found = {worker: answers.get(worker) or WorkerDetails([], [], [], []) for worker in self._closes}
        for worker, details in found.items():
            details.closes = list(self._closes[worker])  # an answer has only those of the present process
        return found

    async def _ask(self, worker: str, process: WorkerProcess) -> Snapshot | None:
        try:
            answer = await process.ask(ReadMetrics, TIMEOUT_S)
        except OperatorError:
            return None
        if not isinstance(answer, Metrics) or self._pids.get(worker) != process.pid:
            return None  # it has ended since, and what it had counted was added up then
        return self._totals.answered(worker, {**answer.snapshot, **process_snapshot(lambda: process.pid)})


async def _details(process: WorkerProcess) -> WorkerDetails | None:
    try:
        answer = await process.ask(ReadDetails, TIMEOUT_S)
    except OperatorError:
        return None
    return answer.details if isinstance(answer, Details) else None
