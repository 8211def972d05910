"""The responses of the control plane: always JSON, errors as ``{"error": {"code", "message"}}``."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response


class ApiError(Exception):
    """A request that is refused. ``fields`` go into the error object besides ``code`` and ``message``."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers
        self.fields = fields


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``content`` as JSON; a `msgspec.Raw` in it is written unchanged."""
    return Response(msgspec.json.encode(content), status, headers, "application/json")


async def on_error(request: Request, error: Exception) -> Response:
    """The response to a request that failed: refused by us, refused by Starlette's routing, or a bug of ours.

    Starlette passes a bug on to the server's log.
    """
    if isinstance(error, ApiError):
        body = {"code": error.code, "message": str(error), **error.fields}
        return json_response({"error": body}, error.status, error.headers)
    if isinstance(error, HTTPException):
        code, message = {
            404: ("not_found", f"there is nothing at {request.url.path}"),
            405: ("method_not_allowed", f"{request.method} is not allowed at {request.url.path}"),
        }.get(error.status_code, ("http_error", error.detail))
        return json_response({"error": {"code": code, "message": message}}, error.status_code, error.headers)
    return json_response(
        {"error": {"code": "internal_error", "message": "the server failed; its log has the details"}}, 500
    )
