"""Configures the server's log: structlog for our own events, and the standard library's logging for libraries.

Our code says `logger.warning("event_name", field=value)`. The event name is a constant in snake_case, and fields are
plain values. Records of the standard library's logging pass through the same processors, as the events
``touchline_message`` and ``library_message``.

Rules:

1. Every line leaves by one `Writer`, and by one `RateLimit`.
2. No line contains a token, a password or a payload: callers do not pass any.
3. Packages below the server use the standard library's logging, since they must not depend on structlog.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor, WrappedLogger

from .rate_limit import RateLimit
from .rendering import LIBRARY_MESSAGE, OWN_MESSAGE, RENDERERS, EventDict, LogFormat, plain_values
from .writer import Writer

LogLevel = Literal["debug", "info", "warning", "error"]

LIBRARIES = {
    "aiokafka": logging.CRITICAL,
    "websockets": logging.ERROR,
    "touchline.websockets": logging.ERROR,
    "uvicorn": logging.CRITICAL,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}
"""The lowest level that is of use to an operator. Lines below it are either repeated in our own words, or about single
connections, so that strangers could fill the log. The level ``debug`` shows more of them, but never any below ``info``:
those of websockets contain what clients send, tokens too."""

OWN_LOGGERS = "touchline"
"""The first part of the names of our loggers."""

HTTP_CLIENTS = ("httpx", "httpcore")
"""Their ``info`` and ``debug`` show whole URLs and headers of requests, secrets too."""

STDERR = 2

CACHE_LOGGERS = True
"""Whether loggers keep the configuration that they are first used with. Without that each line costs 10 us more, also
one that is not written. Tests configure the log more than once."""

_SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def use_standard_logging() -> None:
    """Hand structlog's events to the standard library's loggers, whose handlers decide what becomes of them."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=_logger_factory,
        cache_logger_on_first_use=False,
    )


@contextmanager
def server_log(
    line_format: LogFormat = "console",
    level: LogLevel = "info",
    edge_name: str = "",
    *,
    worker: str = "",
    program: Literal["edge", "keeper"] = "edge",
    fd: int = STDERR,
) -> Iterator[None]:
    """Write the server's log to ``fd`` (default: stderr) while the block runs. Each line has the name of the
    edge or keeper, and of the ``worker``."""
    threshold = getattr(logging, level.upper())
    handler = _Handler(fd, _formatter(line_format, {program: edge_name} | ({"worker": worker} if worker else {})))
    structlog.configure(
        processors=[handler.limit, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_logger_factory,
        cache_logger_on_first_use=CACHE_LOGGERS,
    )
    root = logging.getLogger()
    root.addHandler(handler)
    before = _set_levels({"": threshold} | {name: max(threshold, least) for name, least in _least(level).items()})
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        _set_levels(before)
        root.removeHandler(handler)
        handler.close()
        use_standard_logging()


def _least(level: LogLevel) -> Mapping[str, int]:
    """The lowest level of each library."""
    if level != "debug":
        return LIBRARIES
    return {name: least if name in HTTP_CLIENTS else logging.INFO for name, least in LIBRARIES.items()}


def _set_levels(levels: Mapping[str, int]) -> Mapping[str, int]:
    """Set the levels of loggers by name; returns those that they had."""
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    return before


def command_notes() -> AbstractContextManager[None]:
    """Write what the user of a command should know to stderr, as ``note: …``, while the block runs."""
    return server_log("notes", "warning")


class _Handler(logging.Handler):
    """Gives rendered lines to a writer, within the bound per second."""

    def __init__(self, fd: int, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._rates = RateLimit(time.monotonic)
        self._writer = Writer(fd, idle=self._omissions, dropped=self._dropped)

    def limit(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Drop our own events beyond the bound, before anything else is done for them.

        Each ``code`` counts for itself: a refusal that anybody can cause must not hide another one.
        """
        code = event.get("code")
        if not self._rates.admit(event["event"] if code is None else f"{event['event']} {code}"):
            raise structlog.DropEvent
        return event

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written. Only libraries' records are counted: ours passed `limit`."""
        is_ours = hasattr(record, "_logger")
        if is_ours or self._rates.admit(f"{record.name}: {record.msg}"):
            try:
                self._writer.put(self.format(record).encode() + b"\n")
            except Exception:  # noqa: BLE001 - a record of a library that cannot be formatted must not stop anything
                self.handleError(record)

    def flush(self) -> None:
        """Wait until what was emitted is written."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
        super().close()

    def _omissions(self) -> list[bytes]:
        return [
            self._own_line("lines_omitted", name=omission.name, lines=omission.lines)
            for omission in self._rates.take_omissions()
        ]

    def _dropped(self, count: int) -> bytes:
        return self._own_line("lines_dropped", lines=count)

    def _own_line(self, event: str, **fields: object) -> bytes:
        """Render a line about the log itself, which no bound applies to."""
        message: Any = {"event": event, **fields}
        record = logging.LogRecord("touchline.server_log", logging.WARNING, __file__, 0, message, (), None)
        vars(record).update(_logger=None, _name="warning")
        return self.format(record).encode() + b"\n"


def _formatter(line_format: LogFormat, process: Mapping[str, str]) -> logging.Formatter:
    """``process``: the fields that tell the lines of this process from those of others."""

    def with_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**event, **process}

    return ProcessorFormatter(
        foreign_pre_chain=[_message],
        processors=[
            *_SHARED,
            ProcessorFormatter.remove_processors_meta,
            with_process,
            plain_values,
            RENDERERS[line_format],
        ],
    )


def _message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make an event of a record of the standard library's logging: its text is a field.

    A logger of ours that is in `LIBRARIES` is one that we lend to a library.
    """
    logger: str = event["_record"].name
    is_own = logger.partition(".")[0] == OWN_LOGGERS and logger not in LIBRARIES
    return {"event": OWN_MESSAGE if is_own else LIBRARY_MESSAGE, "message": event.pop("event"), **event}


def _logger_factory(*args: Any) -> logging.Logger:
    return logging.getLogger(*args)
