"""The HTTP API of the control plane.

=====  =======================  =====================================================================================
GET    /healthz                 200 while the process runs
GET    /readyz                  200 ``{"ready": true}``, with ``"degraded": {...}`` if something is wrong that clients
                                should be sent here in spite of; or 503 ``{"ready": false, "problems": {...}}``
GET    /readyz/strict           the same, but 503 also if the server is degraded
POST   /v1/rooms/{room}/events  append events: ``{"data", "key"?}`` or ``{"events": [{"data", "key"?}]}``
GET    /v1/rooms/{room}         the room's state
=====  =======================  =====================================================================================

A room is percent-encoded in a path. A ``/`` within it can stay as it is, unless ``events`` follows as the last part.
"""

from collections.abc import Sequence

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from touchline_protocol import codes
from touchline_protocol.errors import OperatorError, RecordsRefused, TopicRefused
from touchline_server.config.settings import Settings
from touchline_server.core.log import AppendFailed

from .answers import ApiError, json_response, on_error
from .backend import ControlBackend, RoomState
from .requests import check_key, events_of, room_of

ROOMS_PATH = "/v1/rooms/"
_EVENTS = b"/events"

RETRY_AFTER_S = 1
"""How long a 503 asks a producer to wait: about the interval at which an unavailable log is tried again."""


def create_app(backend: ControlBackend, settings: Settings, *, extra_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The ASGI app. ``extra_routes`` are served besides the API's own."""
    api = _Api(backend, settings)
    app = Starlette(
        routes=[
            Route("/healthz", _healthz),
            Route("/readyz", api.readyz),
            Route("/readyz/strict", api.readyz_strict),
            Route(ROOMS_PATH + "{rest:path}", api.rooms, methods=["GET", "POST"]),
            *extra_routes,
        ],
        exception_handlers={ApiError: on_error, HTTPException: on_error, Exception: on_error},
    )
    app.router.redirect_slashes = False  # paths are taken literally
    return app


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok")


class _Api:
    def __init__(self, backend: ControlBackend, settings: Settings) -> None:
        self._backend = backend
        self._feeds = settings.feeds.keys()
        self._api_keys = settings.api_keys

    async def readyz(self, _: Request) -> Response:
        return self._ready(strict=False)

    async def readyz_strict(self, _: Request) -> Response:
        return self._ready(strict=True)

    def _ready(self, *, strict: bool) -> Response:
        problems, degraded = self._backend.readiness()
        ready = not problems and not (strict and degraded)
        told = {"problems": problems, "degraded": degraded}
        return json_response(
            {"ready": ready, **{name: each for name, each in told.items() if each}}, 200 if ready else 503
        )

    async def rooms(self, request: Request) -> Response:
        """Decide by the raw path: decoded, a room id that ends in ``/events`` looks like the path of its events."""
        rest = request.scope["raw_path"].removeprefix(ROOMS_PATH.encode())
        is_publish = request.method == "POST"
        if rest.endswith(_EVENTS) != is_publish:
            raise HTTPException(405, headers={"Allow": "GET, HEAD" if is_publish else "POST"})
        if is_publish:
            return await self._publish(request, rest.removesuffix(_EVENTS))
        return await self._room_state(rest)

    async def _publish(self, request: Request, raw_room: bytes) -> Response:
        check_key(request, self._api_keys)
        room = room_of(raw_room, self._feeds)
        events = await events_of(request)
        try:
            positions = await self._backend.publish(room, events)
        except RecordsRefused as error:
            status, code = (413, "too_large") if error.is_too_large else (422, "event_refused")
            raise ApiError(status, code, str(error), written=error.written) from error
        except TopicRefused as error:
            raise ApiError(503, "topic_refused", str(error), written=error.written) from error
        except AppendFailed as error:
            raise _unavailable(error, written=error.written) from error
        except OperatorError as error:
            raise _unavailable(error, written=0) from error
        return json_response(
            {"partition": positions[0].partition, "offsets": [position.offset for position in positions]}
        )

    async def _room_state(self, raw_room: bytes) -> Response:
        room = room_of(raw_room, self._feeds)
        try:
            state = await self._backend.room_state(room)
        except OperatorError as error:
            raise _unavailable(error) from error
        if state is None:
            found = f"the log has no event of the room {room}, as far back as this server has read it"
            raise ApiError(404, "room_unknown", found)
        return json_response(_shown(room, state))


def _unavailable(error: OperatorError, **fields: int) -> ApiError:
    return ApiError(503, codes.UNAVAILABLE.code, str(error), headers={"Retry-After": str(RETRY_AFTER_S)}, **fields)


def _shown(room: str, known: RoomState) -> dict[str, object]:
    return {
        "room": room,
        "epoch": known.epoch,
        "head": known.head,
        "viewers": known.viewers,
        "state_complete": known.state_complete,
        "state": [
            {"key": event.key, "offset": event.offset, "ts": event.ts, "data": msgspec.Raw(event.value)}
            for event in known.state
        ],
    }
