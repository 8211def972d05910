"""The control plane's ASGI app: one handler for each operation in `operations`.

A room is percent-encoded in a path. A ``/`` within it can stay as it is, unless ``events`` follows as the last part.
"""

from collections.abc import Awaitable, Sequence

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from touchline_protocol.errors import OperatorError, RecordsRefused, TopicRefused
from touchline_server.config.settings import Settings
from touchline_server.core.log import AppendFailed
from touchline_server.metrics.publish_table import PUBLISHED
from touchline_server.metrics.server_table import SERVER_METRICS
from touchline_server.tracing.port import NoTracer, Tracer
from touchline_server.tracing.requests import PublishSpan

from .answers import ApiError, json_response
from .backend import CONTROL, ControlBackend, ImpossibleRequest, RoomState, StateEvent
from .bodies import Drain, Draining, Kicked, Published, ReadinessBody, RoomBody, StateEventBody
from .errors import on_error
from .metrics import PublishCounters, metrics_response, shows_workers
from .openapi import document
from .operations import DRAIN_PATH, EVENTS_PATH, KICK_PATH, METRICS_PATH, OPENAPI_PATH, STATUS_PATH
from .page import page_routes, to_page
from .pages import LIVENESS, PageFilter, PagePolicy
from .refusals import (
    EVENT_REFUSED,
    IMPOSSIBLE,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    ROOM_UNKNOWN,
    TOO_LARGE,
    TOPIC_REFUSED,
    UNAVAILABLE,
)
from .requests import body_of, check_key, events_of, kick_of, room_of, traceparent_in
from .sampler import Sampler

ROOMS_PATH = "/v1/rooms/"
_EVENTS = b"/events"


class ControlApp(Starlette):
    """The ASGI app. ``extra_routes`` are served besides the API's own."""

    def __init__(
        self,
        backend: ControlBackend,
        settings: Settings,
        *,
        extra_routes: Sequence[BaseRoute] = (),
        tracer: Tracer | None = None,
    ) -> None:
        self._api = api = _Api(backend, settings, tracer or NoTracer())
        self._pages = PagePolicy(settings)
        super().__init__(
            routes=[
                Route(LIVENESS, _healthz),
                Route("/readyz", api.readyz),
                Route("/readyz/strict", api.readyz_strict),
                Route(METRICS_PATH, api.metrics),
                Route(STATUS_PATH, api.status),
                Route(KICK_PATH, api.kick, methods=["POST"]),
                Route(DRAIN_PATH, api.drain, methods=["POST"]),
                Route(OPENAPI_PATH, _reference),
                Route(ROOMS_PATH + "{rest:path}", api.rooms, methods=["GET", "POST"]),
                *page_routes(),
                *extra_routes,
                Route("/", to_page),  # the demo has a page of its own there
            ],
            middleware=[Middleware(PageFilter, self._pages)],
            exception_handlers={ApiError: on_error, HTTPException: on_error, Exception: on_error},
        )
        self.router.redirect_slashes = False  # paths are taken literally

    def start(self) -> None:
        """Begin to sample metrics, for the history that ``/v1/status`` has."""
        self._api.sampler.start()

    async def stop(self) -> None:
        """Sample no more. May be called without a start."""
        await self._api.sampler.stop()

    def reload(self, settings: Settings) -> None:
        """Use other keys and pages from the next request on."""
        self._api.reload(settings)
        self._pages.reload(settings)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _reference(_: Request) -> Response:
    return json_response(document())


class _Api:
    def __init__(self, backend: ControlBackend, settings: Settings, tracer: Tracer) -> None:
        self._backend = backend
        self._tracer = tracer
        self._published = PublishCounters()
        self.sampler = Sampler(backend)
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        self._feeds = settings.feeds.keys()
        self._api_keys = settings.api_keys
        self._metrics_keys = [*settings.metrics_keys, *settings.api_keys]

    async def readyz(self, _: Request) -> Response:
        return self._ready(strict=False)

    async def readyz_strict(self, _: Request) -> Response:
        return self._ready(strict=True)

    def _ready(self, *, strict: bool) -> Response:
        problems, degraded, lowered = self._backend.readiness()
        ready = not problems and not (strict and degraded)
        return json_response(ReadinessBody(ready, dict(problems), dict(degraded), dict(lowered)), 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        check_key(request, self._metrics_keys)
        shows_workers(request)  # a mistake costs no worker anything
        snapshots = await self._backend.metrics()
        own = {**snapshots.get(CONTROL, {}), **self._published.snapshot()}
        return metrics_response(request, SERVER_METRICS, {**snapshots, CONTROL: own})

    async def status(self, request: Request) -> Response:
        check_key(request, self._api_keys)
        return json_response(await self.sampler.status(), headers={"Cache-Control": "no-store"})

    async def kick(self, request: Request) -> Response:
        check_key(request, self._api_keys)
        kick = await kick_of(request)
        try:
            until_ms = await self._backend.kick(kick.player, kick.seconds, kick.reason)
        except ImpossibleRequest as error:
            raise IMPOSSIBLE[error.code].error(str(error)) from error
        except (RecordsRefused, TopicRefused) as error:
            raise TOPIC_REFUSED.error(str(error)) from error
        except (AppendFailed, OperatorError) as error:
            raise UNAVAILABLE.error(str(error)) from error
        return json_response(Kicked(kick.player, until_ms))

    async def drain(self, request: Request) -> Response:
        check_key(request, self._api_keys)
        worker = (await body_of(request, Drain)).worker
        try:
            self._backend.drain(worker)
        except ImpossibleRequest as error:
            raise IMPOSSIBLE[error.code].error(str(error)) from error
        return json_response(Draining(worker), 202)

    async def rooms(self, request: Request) -> Response:
        """Decide by the raw path: decoded, a room id that ends in ``/events`` looks like the path of its events."""
        rest = request.scope["raw_path"].removeprefix(ROOMS_PATH.encode())
        is_publish = request.method == "POST"
        if rest.endswith(_EVENTS) != is_publish:
            raise HTTPException(METHOD_NOT_ALLOWED.status, headers={"Allow": "GET, HEAD" if is_publish else "POST"})
        if is_publish:
            return await self._counted(self._publish(request, rest.removesuffix(_EVENTS)))
        return await self._room_state(request, rest)

    async def _counted(self, publishing: Awaitable[Response]) -> Response:
        try:
            response = await publishing
        except ApiError as error:
            self._published.outcomes[error.code] += 1
            raise
        self._published.outcomes[PUBLISHED] += 1
        return response

    async def _publish(self, request: Request, raw_room: bytes) -> Response:
        check_key(request, self._api_keys)
        room = room_of(request, raw_room, self._feeds)
        span = PublishSpan(self._tracer, EVENTS_PATH, room, traceparent_in(request))
        try:
            response, count = await self._publish_to(request, room, span.traceparent)
        except BaseException as error:
            refusal = error if isinstance(error, ApiError) else INTERNAL_ERROR.error("")
            span.refused(refusal.status, refusal.code)
            raise
        span.published(count)
        return response

    async def _publish_to(self, request: Request, room: str, traceparent: str | None) -> tuple[Response, int]:
        events = [event._replace(traceparent=traceparent) for event in await events_of(request)]
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
        published = Published(positions[0].partition, [position.offset for position in positions])
        return json_response(published), len(events)

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
        state=[_shown_event(event) for event in known.state],
    )


def _shown_event(event: StateEvent) -> StateEventBody:
    data = msgspec.Raw(event.value)
    return StateEventBody(event.key, event.offset, event.ts, data, event.traceparent or msgspec.UNSET)
