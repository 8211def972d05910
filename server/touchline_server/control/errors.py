"""Responses to requests that failed, and their lines in the log."""

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from touchline_protocol.errors import TouchlineError

from .answers import ApiError, json_response
from .bodies import ErrorBody, ErrorDetail
from .refusals import INTERNAL_ERROR, METHOD_NOT_ALLOWED, NOT_FOUND

logger = structlog.get_logger("touchline.control")


async def on_error(request: Request, error: Exception) -> Response:
    """The response to a request that failed: refused by us, refused by Starlette's routing, or a bug of ours."""
    if isinstance(error, HTTPException):
        error = _refused_by_routing(request, error)
    elif not isinstance(error, ApiError):
        logger.error("request_failed", method=request.method, room=_room(request), exc_info=error)
        error = INTERNAL_ERROR.error(INTERNAL_ERROR.meaning)
    _log_refusal(request, error)
    body = ErrorBody(ErrorDetail(error.code, str(error), **error.fields))
    return json_response(body, error.status, error.headers)


def _log_refusal(request: Request, error: ApiError) -> None:
    """Log a refused request. The message of the log is worth knowing; others may quote what the client sent."""
    by_log = error.__cause__ if isinstance(error.__cause__, TouchlineError) else None
    log = logger.warning if by_log else logger.debug if error.status == NOT_FOUND.status else logger.info
    why = {"why": str(by_log)} if by_log else {}
    log("request_refused", code=error.code, status=error.status, method=request.method, room=_room(request), **why)


def _room(request: Request) -> str | None:
    """The room of a request, as soon as it is known to be one."""
    return getattr(request.state, "room", None)


def _refused_by_routing(request: Request, error: HTTPException) -> ApiError:
    if error.status_code == METHOD_NOT_ALLOWED.status:
        message = f"{request.method} is not allowed at {request.url.path}"
        return METHOD_NOT_ALLOWED.error(message, headers=tuple((error.headers or {}).items()))
    return NOT_FOUND.error(f"there is nothing at {request.url.path}")
