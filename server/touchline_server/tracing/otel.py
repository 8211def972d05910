"""Spans by OpenTelemetry: its SDK, configured by its own variables, behind `port.Tracer`. Alone knows OpenTelemetry.

Rules:

1. The loop only begins and ends spans, some 30 us for both. A thread of the SDK's exports them.
2. No more than `SPANS_PER_S_MAX` are recorded, since clients set the flag that asks for them. The others pass on what
   they continue.
3. Spans that cannot be exported are dropped. The SDK's queue is bounded (OTEL_BSP_MAX_QUEUE_SIZE), and so is the time
   that `stop` takes.
"""

import asyncio
import os
import threading
import time
from importlib.metadata import entry_points

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelApiSpan

from touchline_protocol.errors import OperatorError
from touchline_protocol.version import __version__
from touchline_server.core.clocks import LoopMs
from touchline_server.core.rate import Rate

from .environment import exporter_names
from .export import ReportingExporter, SdkMessages
from .port import NO_ATTRIBUTES, Attributes, Kind, Span, UnrecordedSpan

SPANS_PER_S_MAX = 1000
"""Each costs some 50 us with its export, so this is 5 % of a core."""

STOP_S_MAX = 2.0
"""How long the last spans may take at the end of the process."""

_EXPORTERS = "opentelemetry_traces_exporter"
_KINDS = {"producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER, "server": SpanKind.SERVER}

logger = structlog.get_logger("touchline.tracing")


class _OtelSpan:
    """A recorded span."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: OtelApiSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent: str | None = (
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 0xFF:02x}"
        )

    def end(self, attributes: Attributes = NO_ATTRIBUTES, *, error: str | None = None) -> None:
        """See `port.Span.end`."""
        self._span.set_attributes(attributes)
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class OtelTracer:
    """See `port.Tracer`. ``process`` names this process among those of its service, ``system`` the kind of its log.

    Raises:
        OperatorError: an exporter that the environment names is unknown or not installed.
    """

    is_on = True

    def __init__(self, process: str, system: str) -> None:
        exporters = {name: _exporter(name) for name in exporter_names(os.environ)}
        self.exporters = sorted(exporters)
        self._exporters = list(exporters.values())
        self._messages = SdkMessages()
        self._provider = TracerProvider(resource=_resource(process), shutdown_on_exit=False)
        for exporter in exporters.values():
            self._provider.add_span_processor(BatchSpanProcessor(ReportingExporter(exporter, self._messages)))
        self._messages.take_over()
        self._tracer = self._provider.get_tracer("touchline", __version__)
        self._system = system
        self._rate = Rate(per_second_max=SPANS_PER_S_MAX, burst=SPANS_PER_S_MAX)
        self._full_ms = 0.0

    def begin(
        self, name: str, kind: Kind, *, parent: str | None, start_ns: int, attributes: Attributes = NO_ATTRIBUTES
    ) -> Span:
        """See `port.Tracer.begin`."""
        self._full_ms, wait_ms = self._rate.take(self._full_ms, 1, LoopMs(int(time.monotonic() * 1000)))
        if wait_ms:
            return UnrecordedSpan(parent)
        system = {} if kind == "server" else {"messaging.system": self._system}
        span = self._tracer.start_span(
            name,
            Context() if parent is None else _context(parent),
            _KINDS[kind],
            {**system, **attributes},
            start_time=start_ns,
        )
        return _OtelSpan(span) if span.is_recording() else UnrecordedSpan(parent)

    async def stop(self) -> None:
        """See `port.Tracer.stop`.

        The SDK waits for an exporter for up to 30 s, which no variable changes. So it does that in a thread which the
        end of the process does not wait for.
        """
        loop = asyncio.get_running_loop()
        exported = asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(exported.set)

        threading.Thread(target=shut_down, name="tracing-stop", daemon=True).start()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                await exported.wait()
        except TimeoutError:
            logger.warning("spans_left", waited_s=STOP_S_MAX)
            for exporter in self._exporters:
                exporter.shutdown()  # try no more
        self._messages.give_back()


def _resource(process: str) -> Resource:
    """What all spans come from. The environment (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) has the last word."""
    own = {"service.name": "touchline", "service.version": __version__, "service.instance.id": process}
    given = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in own.items() if name not in given})


def _exporter(name: str) -> SpanExporter:
    for found in entry_points(group=_EXPORTERS, name=name):
        exporter: SpanExporter = found.load()()
        return exporter
    raise OperatorError(f"no exporter {name!r} is installed")


def _context(traceparent: str) -> Context:
    _, trace_id, span_id, flags = traceparent.split("-")
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(parent), Context())
