"""The supervisor: the workers of an edge, and the control plane for all of them.

Start order: both ports are taken; the log is opened for publishing; the control plane answers (not ready yet); the
workers start, each serving as soon as it is ready. Stop order: all workers drain at once, while the control plane
reports it and goes on publishing; then the control plane ends, and the log closes last.

To its caller it is like a `Node`: `start`, `failed`, `reload`, `stop`.
"""

import asyncio
import socket
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import structlog

from touchline_server.auth.verifier import make_verifier
from touchline_server.config.reload import reload_settings
from touchline_server.config.settings import Settings
from touchline_server.control.app import ControlApp
from touchline_server.control.backend import WORKER_NOT_SERVING, ImpossibleRequest, Readiness
from touchline_server.control.server import ControlServer
from touchline_server.control.status import WorkerDetails
from touchline_server.edge.tls import make_tls
from touchline_server.log.open import make_log
from touchline_server.metrics.snapshot import Snapshot
from touchline_server.node.action_schemas import ActionSchemas
from touchline_server.node.open_files import control_connections_max
from touchline_server.node.parts import until_failed
from touchline_server.node.process_log import log_reload
from touchline_server.node.readiness import DRAINING, EDGE
from touchline_server.node.sockets import bind, reserve
from touchline_server.tracing.open import open_tracer

from .backend import WorkersBackend
from .crew import Crew
from .readiness_sum import sum_readiness
from .worker_process import WorkerProcess

STOP_MARGIN_S = 3.0
"""The time beyond the longest stop before a worker is killed: its interpreter has to end, too."""

logger = structlog.get_logger("touchline.node")


class Supervisor:
    """``count`` workers, each started by ``command`` (see `WorkerProcess.start`).

    ``lowered``: the limits in ``settings`` that are lower than the operator asked for, and why.
    """

    def __init__(self, settings: Settings, *, count: int, command: Sequence[str], lowered: Mapping[str, str]) -> None:
        self.settings = settings
        self.edge_port = 0
        self.control_port = 0
        self._count = count
        self._command = command
        self._lowered = lowered
        self._log = make_log(settings)
        backend = WorkersBackend(
            settings, self._log, self.readiness, self._serving, self._metrics, self._details, self._drain
        )
        self._tracer = open_tracer(settings.edge_name, settings.log)
        self._app = ControlApp(backend, settings, tracer=self._tracer)
        self._reserved: socket.socket | None = None
        self._control: ControlServer | None = None
        self._crew: Crew | None = None
        self._watching: asyncio.Task[None] | None = None
        self._draining = False

    async def start(self) -> None:
        """Start everything; returns when all workers accept clients.

        Raises:
            OperatorError: a port is taken, the log cannot be opened, or a worker reports a mistake of the operator's.
            WorkerFailed: a worker failed by a mistake of ours.
        """
        settings, began_s = self.settings, time.monotonic()
        _check_files(settings)
        if settings.redis.url is not None:
            # Only where there is a Redis: see `node.fleet.shared_stores`.
            from touchline_server.store.redis.connection import check_tls_files  # noqa: PLC0415

            check_tls_files(settings.redis)
        self._reserved = reserve(settings.host, settings.port)
        address = self._reserved.getsockname()
        self.edge_port = address[1]
        self._control = ControlServer(
            self._app,
            bind("the control plane", settings.control_host, settings.control_port),
            connections_max=control_connections_max(0),
        )
        self.control_port = self._control.port
        await self._log.open([], since_ms=0)
        await self._control.start()
        self._crew = Crew(
            settings, count=self._count, command=self._command, address=(address[0], address[1]), lowered=self._lowered
        )
        self._watching = asyncio.create_task(self._crew.watch(), name="watch workers")
        await until_failed([self._watching, self._crew.failure], or_set=self._crew.all_served)
        self._app.start()
        logger.info(
            "server_ready",
            websocket=f"{settings.host}:{self.edge_port}",
            control=f"{settings.control_host}:{self.control_port}",
            workers=self._count,
            connections_max=settings.connections_max,
            took_s=round(time.monotonic() - began_s, 1),
        )

    async def failed(self) -> None:
        """Wait until something fails that should run for ever, and raise what it failed with."""
        assert self._crew is not None  # noqa: S101 - to be called after `start`
        assert self._watching is not None  # noqa: S101
        await until_failed([self._watching, self._crew.failure])

    async def stop(self) -> None:
        """Drain all workers at once, and stop everything. May be called after a start that failed."""
        self._draining = True
        if self._crew is not None:
            await self._crew.stop(self.settings.stop_s + STOP_MARGIN_S)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._app.stop()
        if self._control is not None:
            await self._control.stop()
        await self._log.close()
        await self._tracer.stop()
        if self._reserved is not None:
            self._reserved.close()

    def end_at_once(self) -> None:
        """Kill all workers. Safe in a signal handler."""
        if self._crew is not None:
            self._crew.kill()

    async def reload(self, settings: Settings, *, lowered: Mapping[str, str] = MappingProxyType({})) -> None:
        """See `Node.reload`: every worker takes the settings over, and those that are started later have them.

        Raises:
            OperatorError: a key, a schema or a certificate cannot be read. Nothing has changed.
        """
        reload = reload_settings(self.settings, settings)
        _check_files(reload.settings)
        self.settings, self._lowered = reload.settings, lowered
        self._app.reload(reload.settings)
        if self._crew is not None:
            self._crew.reload(reload.settings, settings, lowered)
        log_reload(reload)

    def readiness(self) -> Readiness:
        """The readiness of all workers together."""
        if self._draining or self._crew is None:
            return Readiness({EDGE: DRAINING}, {}, self._lowered)
        return sum_readiness(self._crew.readiness(), Readiness({}, self._log.problems, self._lowered))

    async def _metrics(self) -> Mapping[str, Snapshot]:
        return {} if self._crew is None else await self._crew.metrics()

    async def _details(self) -> Mapping[str, WorkerDetails]:
        return {} if self._crew is None else await self._crew.details()

    def _drain(self, worker: str) -> None:
        if self._crew is None or self._draining:
            raise ImpossibleRequest(WORKER_NOT_SERVING, "the server starts or stops")
        self._crew.drain(worker, self.settings.stop_s + STOP_MARGIN_S)

    def _serving(self) -> Sequence[WorkerProcess]:
        return () if self._crew is None else self._crew.serving()


def _check_files(settings: Settings) -> None:
    """Read the files that each worker reads at its start and at a reload: a mistake is reported once, and at once.

    Kafka's are read by the supervisor's own log.

    Raises:
        OperatorError: a file cannot be used.
    """
    ActionSchemas(settings.feeds)
    make_verifier(settings.auth)
    make_tls(settings.tls)
