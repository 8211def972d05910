"""All metrics of ``touchline serve``, in the order in which they are shown and documented."""

from typing import Any, cast

from .edge_table import EDGE_METRICS
from .health_table import BUILD_INFO, HEALTH_METRICS, REDIS_METRICS
from .metric import Metric
from .node_table import NODE_METRICS
from .process_table import PROCESS_METRICS
from .publish_table import PUBLISH_METRICS
from .supervisor_table import SUPERVISOR_METRICS

SERVER_METRICS = cast(
    "tuple[Metric[Any], ...]",
    (
        *EDGE_METRICS,
        *NODE_METRICS,
        *HEALTH_METRICS,
        *REDIS_METRICS,
        *PUBLISH_METRICS,
        *SUPERVISOR_METRICS,
        *PROCESS_METRICS,
        BUILD_INFO,
    ),
)
