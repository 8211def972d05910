"""The responses of the control plane: always JSON, errors as ``{"error": {"code", "message"}}``."""

from collections.abc import Mapping
from typing import Any

import msgspec
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
