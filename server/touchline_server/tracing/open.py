"""Opens the tracer that the environment asks for.

If it asks for none, nothing of OpenTelemetry is imported. Tracing never keeps a server from starting: mistakes in its
variables are logged.
"""

import os

import structlog

from .environment import is_configured
from .port import NoTracer, Tracer

logger = structlog.get_logger("touchline.tracing")


def open_tracer(process: str, log: str) -> Tracer:
    """The tracer of this process; ``log`` is the address of the log, for the spans' ``messaging.system``."""
    if not is_configured(os.environ):
        return NoTracer()
    try:
        # Only where spans are exported: it takes half a second, and it is an extra.
        from .otel import OtelTracer  # noqa: PLC0415

        tracer = OtelTracer(process, "kafka" if log.startswith("kafka:") else "sqlite")
    except ModuleNotFoundError as error:
        cure = "pip install 'touchline[otel]', or unset the OTEL_ variables"
        logger.warning("tracing_unavailable", why=f"there is no module {error.name}", cure=cure)
        return NoTracer()
    except Exception as error:  # noqa: BLE001 - exporters and samplers raise what they like about their variables
        logger.warning("tracing_unavailable", why=f"{error}", cure="correct the OTEL_ variables, or unset them")
        return NoTracer()
    logger.info("tracing_on", exporters=tracer.exporters)
    return tracer
