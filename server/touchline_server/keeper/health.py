"""The keeper's health over HTTP, for orchestrators: ``/healthz`` and ``/readyz``.

A keeper is ready if Redis and Kafka answer and it is a member of its group, also without any partition: a spare one is.
"""

import socket

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from touchline_protocol.errors import OperatorError
from touchline_server.control.server import ControlServer

from .keeper import Keeper


def health_server(keeper: Keeper, host: str, port: int) -> ControlServer:
    """A server for a keeper's health; port 0 picks a free port.

    Raises:
        OperatorError: the address is invalid or already in use.
    """
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

    return ControlServer(Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz)]), listener)
