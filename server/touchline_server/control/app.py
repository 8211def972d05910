"""The control plane's ASGI app: one handler for each operation in `operations`.

A room is percent-encoded in a path. A ``/`` within it can stay as it is, unless ``events`` follows as the last part.
"""

from collections.abc import Sequence

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from touchline_protocol.errors import OperatorError, RecordsRefused, TopicRefused, TouchlineError
from touchline_server.config.settings import Settings
from touchline_server.core.log import AppendFailed

from .answers import ApiError, json_response
from .backend import ControlBackend, RoomState
from .bodies import ErrorBody, ErrorDetail, Published, ReadinessBody, RoomBody, StateEventBody
from .openapi import document
from .operations import OPENAPI_PATH
from .pages import LIVENESS, PageFilter, PagePolicy
from .refusals import (
    EVENT_REFUSED,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    ROOM_UNKNOWN,
    TOO_LARGE,
    TOPIC_REFUSED,
    UNAVAILABLE,
)
from .requests import check_key, events_of, room_of

logger = structlog.get_logger("touchline.control")

ROOMS_PATH = "/v1/rooms/"
_EVENTS = b"/events"


class ControlApp(Starlette):
    """The ASGI app. ``extra_routes`` are served besides the API's own."""

    def __init__(self, backend: ControlBackend, settings: Settings, *, extra_routes: Sequence[BaseRoute] = ()) -> None:
        self._api = api = _Api(backend, settings)
        self._pages = PagePolicy(settings)
        super().__init__(
            routes=[
                Route(LIVENESS, _healthz),
                Route("/readyz", api.readyz),
                Route("/readyz/strict", api.readyz_strict),
                Route(OPENAPI_PATH, _reference),
                Route(ROOMS_PATH + "{rest:path}", api.rooms, methods=["GET", "POST"]),
                *extra_routes,
            ],
            middleware=[Middleware(PageFilter, self._pages)],
            exception_handlers={ApiError: _on_error, HTTPException: _on_error, Exception: _on_error},
        )
        self.router.redirect_slashes = False  # paths are taken literally

    def reload(self, settings: Settings) -> None:
        """Use other keys and pages from the next request on."""
        self._api.reload(settings)
        self._pages.reload(settings)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _reference(_: Request) -> Response:
    return json_response(document())


async def _on_error(request: Request, error: Exception) -> Response:
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


class _Api:
    def __init__(self, backend: ControlBackend, settings: Settings) -> None:
        self._backend = backend
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        self._feeds = settings.feeds.keys()
        self._api_keys = settings.api_keys

    async def readyz(self, _: Request) -> Response:
        return self._ready(strict=False)

    async def readyz_strict(self, _: Request) -> Response:
        return self._ready(strict=True)

    def _ready(self, *, strict: bool) -> Response:
        problems, degraded, lowered = self._backend.readiness()
        ready = not problems and not (strict and degraded)
        return json_response(ReadinessBody(ready, dict(problems), dict(degraded), dict(lowered)), 200 if ready else 503)

    async def rooms(self, request: Request) -> Response:
        """Decide by the raw path: decoded, a room id that ends in ``/events`` looks like the path of its events."""
        rest = request.scope["raw_path"].removeprefix(ROOMS_PATH.encode())
        is_publish = request.method == "POST"
        if rest.endswith(_EVENTS) != is_publish:
            raise HTTPException(METHOD_NOT_ALLOWED.status, headers={"Allow": "GET, HEAD" if is_publish else "POST"})
        if is_publish:
            return await self._publish(request, rest.removesuffix(_EVENTS))
        return await self._room_state(request, rest)

    async def _publish(self, request: Request, raw_room: bytes) -> Response:
        check_key(request, self._api_keys)
        room = room_of(request, raw_room, self._feeds)
        events = await events_of(request)
        try:
            positions = await self._backend.publish(room, events)
        except RecordsRefused as error:
            refusal = TOO_LARGE if error.is_too_large else EVENT_REFUSED
            raise refusal.error(str(error), written=error.written) from error
        except TopicRefused as error:
            raise TOPIC_REFUSED.error(str(error), written=error.written) from error
        except AppendFailed as error:
            raise UNAVAILABLE.error(str(error), written=error.written) from error
        except OperatorError as error:
            raise UNAVAILABLE.error(str(error), written=0) from error
        return json_response(Published(positions[0].partition, [position.offset for position in positions]))

    async def _room_state(self, request: Request, raw_room: bytes) -> Response:
        room = room_of(request, raw_room, self._feeds)
        try:
            state = await self._backend.room_state(room)
        except OperatorError as error:
            raise UNAVAILABLE.error(str(error)) from error
        if state is None:
            raise ROOM_UNKNOWN.error(f"the log has no event of {room}, as far back as this server has read it")
        return json_response(_shown(room, state))


def _shown(room: str, known: RoomState) -> RoomBody:
    return RoomBody(
        room=room,
        epoch=known.epoch,
        head=known.head,
        viewers=known.viewers,
        viewers_complete=known.viewers_complete,
        state_complete=known.state_complete,
        state=[StateEventBody(event.key, event.offset, event.ts, msgspec.Raw(event.value)) for event in known.state],
    )
