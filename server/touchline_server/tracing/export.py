"""Reports failing exports of spans in the server's own words: once when they begin to fail, and once when they succeed
again. The SDK would log every attempt. Runs in the SDK's thread.
"""

import logging
from collections.abc import Sequence

import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from touchline_protocol.printable import without_credentials

_LIBRARY = "opentelemetry"

logger = structlog.get_logger("touchline.tracing")


class SdkMessages(logging.Handler):
    """Keeps what the SDK has logged last, from `take_over` to `give_back`: an export's result has no reason."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def take_over(self) -> None:
        """From now on the SDK's messages are kept, and not written."""
        library = logging.getLogger(_LIBRARY)
        library.addHandler(self)
        library.propagate = False

    def give_back(self) -> None:
        """Let the SDK's messages be written again."""
        library = logging.getLogger(_LIBRARY)
        library.removeHandler(self)
        library.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        self.last = record.getMessage()


class ReportingExporter(SpanExporter):
    """Exports by another exporter. ``messages`` are those of the SDK."""

    def __init__(self, exporter: SpanExporter, messages: SdkMessages) -> None:
        self._exporter = exporter
        self._messages = messages
        self._fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export; what fails is dropped."""
        self._messages.last = ""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - an exporter may be anybody's
            self._messages.last, result = repr(error), SpanExportResult.FAILURE
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            logger.warning("span_export_failed", spans=len(spans), why=without_credentials(self._messages.last))
        elif self._fails and not fails:
            logger.warning("span_export_resumed")
        self._fails = fails
        return result

    def shutdown(self) -> None:
        """See `SpanExporter.shutdown`."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `SpanExporter.force_flush`."""
        return self._exporter.force_flush(timeout_millis)
