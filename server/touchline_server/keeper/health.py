"""The keeper's health over HTTP, for orchestrators: ``/healthz`` and ``/readyz``; and ``/metrics`` for Prometheus.

A keeper is ready if Redis and Kafka answer and it is a member of its group, also without any partition: a spare one is.
"""

import socket

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.control.answers import ApiError
from touchline_server.control.backend import CONTROL
from touchline_server.control.errors import on_error
from touchline_server.control.metrics import metrics_response
from touchline_server.control.requests import check_key
from touchline_server.control.server import ControlServer
from touchline_server.metrics.health_table import BUILD_INFO
from touchline_server.metrics.keeper_table import ALL_KEEPER_METRICS
from touchline_server.metrics.metric import snapshot
from touchline_server.metrics.process_table import process_snapshot

from .keeper import Keeper


def health_server(keeper: Keeper, settings: Settings) -> ControlServer:
    """A server for a keeper's health and metrics; port 0 picks a free port.

    Raises:
        OperatorError: the address is invalid or already in use.
    """
    host, port = settings.keeper.host, settings.keeper.port
    keys = [*settings.metrics_keys, *settings.api_keys]
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OperatorError(f"keeper.host and keeper.port: cannot listen on {host}, port {port}: {error}") from None

    async def readyz(_request: Request) -> Response:
        problems = keeper.problems
        partitions = {
            f"{topic}/{index}": {"next_offset": next_offset, "lag": keeper.lags.get((topic, index))}
            for (topic, index), next_offset in sorted(keeper.kept.items())
        }
        body = {
            "ready": not problems,
            "problems": dict(problems),
            "degraded": dict(keeper.degraded),
            "group": keeper.group,
            "partitions": partitions,
        }
        return JSONResponse(body, status_code=503 if problems else 200)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def metrics(request: Request) -> Response:
        check_key(request, keys)
        snapshots = {CONTROL: {**keeper.snapshot(), **process_snapshot(), **snapshot((BUILD_INFO,), None)}}
        return metrics_response(request, ALL_KEEPER_METRICS, snapshots)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    return ControlServer(Starlette(routes=routes, exception_handlers={ApiError: on_error}), listener)
