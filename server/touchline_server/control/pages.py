"""Keeps foreign pages away from every route of the control plane, those that an extension adds included.

Most routes need no key: anybody who reaches the port may read. So a page must not get here under a foreign name that
leads to this machine (DNS rebinding), nor send forms to it (CSRF); `touchline_server.web.policy` has the rules.
`LIVENESS` is left out: it only says that the process runs, and an orchestrator that gets no answer restarts the server.
"""

import socket

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from touchline_server.config.settings import Settings
from touchline_server.web.policy import ORIGIN_REFUSED, PageRefusal, Sender, WebPolicy

from .answers import json_response
from .bodies import ErrorBody, ErrorDetail
from .refusals import PAGE_REFUSALS

logger = structlog.get_logger("touchline.control")

LIVENESS = "/healthz"


class PagePolicy:
    """Which pages may use the control plane, by the settings that are in force."""

    def __init__(self, settings: Settings) -> None:
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        """Use other settings from now on."""
        self.policy = WebPolicy(
            hosts=settings.hosts, origins=[], listener=settings.control_host, machine=socket.gethostname()
        )


class PageFilter:
    """An ASGI middleware that answers requests of foreign pages with 403."""

    def __init__(self, app: ASGIApp, pages: PagePolicy) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        refused = None if scope["type"] != "http" or scope["path"] == LIVENESS else self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, send)
        else:
            body = ErrorBody(ErrorDetail(refused.code, refused.message))
            await json_response(body, PAGE_REFUSALS[refused.code].status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PageRefusal | None:
        headers = Headers(scope=scope)
        refused = self._judge(headers, scope["method"])
        if refused is not None:
            shown = {name: ", ".join(headers.getlist(name)) for name in ("origin", "host")}
            logger.warning("page_refused", code=refused.code, **shown)
        return refused

    def _judge(self, headers: Headers, method: str) -> PageRefusal | None:
        if any(len(headers.getlist(name)) > 1 for name in ("host", "origin", "sec-fetch-site")):
            return PageRefusal(ORIGIN_REFUSED, "the request has Host, Origin or Sec-Fetch-Site twice")
        sender = Sender(headers.get("host"), headers.get("origin"), headers.get("sec-fetch-site"))
        return self._pages.policy.refusal(sender, browsers_send_origin=method not in ("GET", "HEAD"))
