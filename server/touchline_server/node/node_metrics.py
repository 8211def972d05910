"""The metrics of a node, read from its parts."""

from typing import Any

from touchline_server.control.backend import Readiness
from touchline_server.core.edge import EdgeCore
from touchline_server.core.log import Log
from touchline_server.edge.driver import Driver
from touchline_server.metrics.edge_table import EDGE_METRICS
from touchline_server.metrics.health_table import HealthView, health_snapshot
from touchline_server.metrics.metric import snapshot
from touchline_server.metrics.node_table import NODE_METRICS, NodeView
from touchline_server.metrics.snapshot import Snapshot

from .fleet.shared_stores import SharedStores


def node_snapshot(
    core: EdgeCore[Any], log: Log, driver: Driver | None, shared: SharedStores | None, readiness: Readiness
) -> Snapshot:
    """The metrics of a node. ``driver`` is None until it serves clients."""
    health = HealthView(
        readiness.problems,
        readiness.degraded,
        log.unreachable,
        None if shared is None else shared.redis_problem,
        None if shared is None else shared.calls,
    )
    view = NodeView(log, None if driver is None else driver.loop_lag)
    return {**snapshot(EDGE_METRICS, core), **snapshot(NODE_METRICS, view), **health_snapshot(health)}
