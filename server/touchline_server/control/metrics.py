"""Answers requests for metrics: those of the backend, and what the control plane itself counts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from touchline_server.metrics.exposition import exposed
from touchline_server.metrics.health_table import BUILD_INFO
from touchline_server.metrics.metric import Metric, snapshot
from touchline_server.metrics.publish_table import PUBLISH_METRICS
from touchline_server.metrics.snapshot import Snapshot

from .operations import BY_WORKER
from .refusals import BAD_QUERY


class PublishCounters:
    """Requests to publish by outcome."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def snapshot(self) -> Snapshot:
        """Show them as metrics."""
        return {**snapshot(PUBLISH_METRICS, self.outcomes), **snapshot((BUILD_INFO,), None)}


def shows_workers(request: Request) -> bool:
    """Whether a request asks for each worker by itself.

    Raises:
        ApiError: 400 for another value of ``by``.
    """
    values = request.query_params.getlist(BY_WORKER.name)
    if any(value not in BY_WORKER.values for value in values):
        raise BAD_QUERY.error(f"{BY_WORKER.name} has to be one of: {', '.join(BY_WORKER.values)}")
    return bool(values)


def metrics_response(request: Request, metrics: Sequence[Metric[Any]], snapshots: Mapping[str, Snapshot]) -> Response:
    """The metrics of processes, as a scraper wants them."""
    text, content_type = exposed(
        metrics, snapshots, by_worker=shows_workers(request), accept=request.headers.get("accept", "")
    )
    return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
