"""The span of a request that publishes events. Its attributes are those of OpenTelemetry's conventions for HTTP.

A request without a ``traceparent`` begins a trace, unless the sampler (OTEL_TRACES_SAMPLER) says otherwise.
"""

import time

from .port import Span, Tracer

SERVER_ERROR = 500


class PublishSpan:
    """One request, from when its key was accepted until it is answered."""

    def __init__(self, tracer: Tracer, route: str, room: str, parent: str | None) -> None:
        self._span: Span = tracer.begin(
            f"POST {route}",
            "server",
            parent=parent,
            start_ns=time.time_ns(),
            attributes={"http.request.method": "POST", "http.route": route, "touchline.room": room},
        )

    @property
    def traceparent(self) -> str | None:
        """What the records of the events continue."""
        return self._span.traceparent

    def published(self, events: int) -> None:
        """All events are durable."""
        self._span.end({"http.response.status_code": 200, "messaging.batch.message_count": events})

    def refused(self, status: int, code: str) -> None:
        """The request was answered with an error. A caller's error does not mark the span as failed."""
        self._span.end(
            {"http.response.status_code": status, "error.type": code}, error=code if status >= SERVER_ERROR else None
        )
