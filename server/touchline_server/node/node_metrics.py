"""The metrics of a node, and the rest of its status, read from its parts."""

from collections.abc import Mapping
from heapq import nlargest
from typing import Any

from touchline_server.control.backend import Readiness
from touchline_server.control.status import (
    ROOMS_MAX,
    SLOW_CLIENTS_MAX,
    CloseStatus,
    PartitionStatus,
    RoomStatus,
    SlowClient,
    WorkerDetails,
)
from touchline_server.core.clients.client import Client
from touchline_server.core.clocks import LoopMs
from touchline_server.core.edge import EdgeCore
from touchline_server.core.log import Log
from touchline_server.edge.connection import Connection
from touchline_server.edge.driver import Driver, Peer
from touchline_server.edge.server import EdgeServer
from touchline_server.metrics.edge_table import core_memory, edge_snapshot, windows
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
    memory = {**core_memory(core), "log": log.unread_bytes, "clients": sum(map(_buffered_bytes, core.lagging))}
    view = NodeView(log, memory, None if driver is None else driver.loop_lag)
    return {**edge_snapshot(core), **snapshot(NODE_METRICS, view), **health_snapshot(health)}


def _buffered_bytes(client: Client[Any]) -> int:
    """What a client's transport still has to send. Only those of lagging clients have anything."""
    connection = client.owner
    return connection.transport.get_write_buffer_size() if isinstance(connection, Connection) else 0


def node_details(edge: EdgeServer | None, log: Log, kept: Mapping[tuple[str, int], int]) -> WorkerDetails:
    """What metrics do not have of a node. ``kept``: how far keepers have kept partitions."""
    if edge is None:
        return WorkerDetails([], [], [], [])
    core, now_ms = edge.core, edge.driver.now().loop_ms
    rooms = nlargest(ROOMS_MAX, (room for room in core.hub.rooms.values() if room.members), key=lambda one: one.members)
    lagging = nlargest(SLOW_CLIENTS_MAX, core.lagging, key=lambda client: now_ms - (client.late_since() or now_ms))
    read = {(window.topic, window.partition): window.next_offset for window in windows(core)}
    return WorkerDetails(
        [RoomStatus(one.name, one.members, one.contents.position, one.contents.newest_ts) for one in rooms],
        [_slow_client(client, now_ms) for client in lagging],
        node_closes(edge),
        [
            PartitionStatus(
                *where,
                progress.lag,
                round(progress.answer_age_s, 3),
                max(0, read[where] - kept[where]) if where in read and where in kept else None,
            )
            for where, progress in log.partitions.items()
        ],
        core.is_draining,
    )


def node_closes(edge: EdgeServer | None) -> list[CloseStatus]:
    """The newest ends of a node's connections, oldest first."""
    return [] if edge is None else [CloseStatus(*end) for end in edge.recent_ends]


def _slow_client(client: Client[Peer], now_ms: LoopMs) -> SlowClient:
    connection = client.owner
    behind = {each.room.name: each.room.contents.position - each.cursor for each in client.subscriptions.values()}
    room = max(behind, key=lambda name: behind[name], default=None)
    assert isinstance(connection, Connection)  # noqa: S101 - all clients of an edge server are
    return SlowClient(
        connection.number,
        connection.address,
        client.grant and client.grant.player,
        round((now_ms - (client.late_since() or now_ms)) / 1000, 1),
        room,
        0 if room is None else max(0, behind[room]),
        _buffered_bytes(client),
    )
