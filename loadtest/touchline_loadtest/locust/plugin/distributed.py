"""What passes between a master and its workers, by Locust's own messages.

    touchline_finish    to the workers       stop the users, and send what is left
    touchline_finished  to the master        there is nothing left
    touchline_file      to the master        a part of a file of the run folder
    touchline_fault     to the workers       the servers are harmed on purpose, from when to when

Locust waits half a second for its workers at the end of a test. Thousands of users need longer to close their
connections, so the master holds the end back until each worker has finished.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gevent
import gevent.event
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from touchline_loadtest.locust.observe.latency import LatencyMeter
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.records import Mark

from .mirror import receive

FINISH, FINISHED, FILE, FAULT = "touchline_finish", "touchline_finished", "touchline_file", "touchline_fault"
FINISH_S_MAX = 60.0
"""How long a worker may take to close its connections and to send what it has recorded."""

log = logging.getLogger("touchline.loadtest")


class Master:
    """The master's side. ``folder`` is where the run is recorded, if it is; ``latency`` collects what workers saw."""

    def __init__(self, runner: MasterRunner, folder: Callable[[], Path | None], latency: LatencyMeter) -> None:
        self._runner = runner
        self._latency = latency
        self._folder = folder
        self._unfinished: set[str] = set()
        self._changed = gevent.event.Event()
        runner.register_message(FILE, self._received)
        runner.register_message(FINISHED, self._finished)

    def finish(self) -> None:
        """Have all workers finish, and wait for them."""
        clients = self._runner.clients
        self._unfinished = {client.id for client in clients.ready + clients.spawning + clients.running}
        self._runner.send_message(FINISH)
        with gevent.Timeout(FINISH_S_MAX, False):
            while self._unfinished:
                self._changed.clear()
                self._changed.wait()
        if self._unfinished:
            log.error("%d workers have not finished within %g s", len(self._unfinished), FINISH_S_MAX)

    def fault(self, mark: Mark) -> None:
        """Tell the workers of a fault."""
        self._runner.send_message(FAULT, {"began_ms": mark.at_ms, "end_ms": mark.end_ms})

    def _finished(self, environment: Environment, msg: Any) -> None:
        self._unfinished.discard(msg.node_id)
        self._latency.early(msg.data["early_count"], msg.data["early_ms_max"])
        self._changed.set()

    def _received(self, environment: Environment, msg: Any) -> None:
        folder = self._folder()
        if folder is None:
            return
        try:
            receive(folder, self._worker_name(msg.node_id), msg.data)
        except BadRun as error:
            log.error("%s", error)

    def _worker_name(self, node_id: str) -> str:
        return f"w{self._runner.get_worker_index(node_id)}"  # type: ignore[no-untyped-call]


class Worker:
    """A worker's side. ``finish`` stops the users; ``chunks`` are the parts of files that are to be sent."""

    def __init__(
        self,
        runner: WorkerRunner,
        latency: LatencyMeter,
        *,
        fault: Callable[[float, float | None], None],
        chunks: Callable[[], Iterator[Mapping[str, Any]]],
    ) -> None:
        self._runner = runner
        self._latency = latency
        self._fault = fault
        self._chunks = chunks
        runner.register_message(FINISH, self._finish, concurrent=True)
        runner.register_message(FAULT, self._heard_fault)

    def send_files(self) -> None:
        """Send what is new. Locust's own messages have their turn between two chunks."""
        for chunk in self._chunks():
            self._runner.send_message(FILE, dict(chunk))
            gevent.sleep(0)

    def _finish(self, environment: Environment, msg: Any) -> None:
        self._runner.stop()
        self.send_files()
        latency = self._latency
        told = {"early_count": latency.early_count, "early_ms_max": latency.early_ms_max}
        self._runner.send_message(FINISHED, told)

    def _heard_fault(self, environment: Environment, msg: Any) -> None:
        self._fault(msg.data["began_ms"], msg.data["end_ms"])
