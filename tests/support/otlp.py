"""A collector: receives spans by OTLP over HTTP, as OpenTelemetry's does, and keeps them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support.waiting import eventually

KINDS = {Span.SPAN_KIND_SERVER: "server", Span.SPAN_KIND_PRODUCER: "producer", Span.SPAN_KIND_CONSUMER: "consumer"}


class ReceivedSpan(NamedTuple):
    """A span as it arrived. ``parent`` is empty for the first of a trace."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    start_ns: int
    end_ns: int
    is_error: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]

    def is_in(self, traceparent: str | None) -> bool:
        """Whether a ``traceparent`` names this span. Its flags are not exported."""
        return traceparent is not None and traceparent[3:53] == f"{self.trace_id}-{self.span_id}-"


class Collector:
    """A collector on a free port. ``status`` is what it answers with; ``None``: it never answers."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.requests = 0
        self.status: HTTPStatus | None = HTTPStatus.OK
        self.port = 0
        self.is_closing = asyncio.Event()
        self.connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, patch: pytest.MonkeyPatch, **variables: str) -> None:
        """Have servers of this process export to the collector, soon."""
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", self.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        for name, value in variables.items():
            patch.setenv(name, value)

    async def until(self, is_wanted: Callable[[ReceivedSpan], bool]) -> ReceivedSpan:
        """The first span that is wanted, once it has arrived."""
        await eventually(lambda: any(is_wanted(span) for span in self.spans))
        return next(span for span in self.spans if is_wanted(span))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections[writer] = asyncio.current_task()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                self.requests += 1
                body = await reader.readexactly(length)
                if self.status is None:
                    await self.is_closing.wait()
                    return
                if self.status is HTTPStatus.OK:
                    assert head.startswith("post /v1/traces "), head
                    self.spans += _spans(ExportTraceServiceRequest.FromString(body))
                line = f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\ncontent-length: 0\r\n\r\n"
                writer.write(line.encode())
                await writer.drain()


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector until the end of the block."""
    collector = Collector()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    collector.port = server.sockets[0].getsockname()[1]
    try:
        yield collector
    finally:
        server.close()
        collector.is_closing.set()
        for writer, task in collector.connections.items():
            writer.close()
            if task is not None:
                await asyncio.wait([task])


def _spans(request: ExportTraceServiceRequest) -> Iterable[ReceivedSpan]:
    for of_resource in request.resource_spans:
        for scope in of_resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    span.name,
                    KINDS[span.kind],
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == Status.STATUS_CODE_ERROR,
                    _values(span.attributes),
                    _values(of_resource.resource.attributes),
                )


def _values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}
