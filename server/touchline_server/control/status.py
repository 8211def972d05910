"""The bodies of ``GET /v1/status``: what an operator's page shows. Workers send their part to the supervisor.

Everything is bounded: lists have the first or newest few, and say nothing of the rest.
"""

import msgspec

ROOMS_MAX = 20
"""The busiest rooms of a worker."""
SLOW_CLIENTS_MAX = 20
"""The clients of a worker that have been behind for longest."""
CLOSES_MAX = 50
"""The newest ends of connections of a worker."""


class RoomStatus(msgspec.Struct):
    """A room with clients. ``newest_ms`` is the timestamp of its newest event, in Unix milliseconds; 0 for none."""

    room: str
    clients: int
    head: int
    newest_ms: int


class SlowClient(msgspec.Struct):
    """A client that lags: for how long, and by how many offsets in the room where it is most behind.

    ``connection`` is its number in the log of ``worker``. ``unsent_bytes`` were written and wait for its network.
    """

    connection: int
    address: str | None
    player: str | None
    behind_s: float
    room: str | None
    behind_offsets: int
    unsent_bytes: int
    worker: str = ""


class CloseStatus(msgspec.Struct):
    """An end of a connection: when (Unix milliseconds), by whom, and the code's name."""

    at_ms: int
    connection: int
    by: str
    code: str
    player: str | None
    address: str | None
    worker: str = ""


class PartitionStatus(msgspec.Struct):
    """A partition: how many offsets were not read yet, and how long ago Kafka last answered about it.

    ``kept_lag`` is how far keepers are behind this edge; null without keepers, or if nothing is kept.
    """

    topic: str
    partition: int
    lag: int
    answer_age_s: float
    kept_lag: int | None = None


class WorkerDetails(msgspec.Struct):
    """What metrics do not have of a worker."""

    rooms: list[RoomStatus]
    slow_clients: list[SlowClient]
    closes: list[CloseStatus]
    partitions: list[PartitionStatus]
    draining: bool = False


class WorkerStatus(msgspec.Struct):
    """A worker; the rates are those of the last seconds. ``up``: it serves clients and answers. ``draining``: it is
    sending them away."""

    worker: str
    up: bool
    starts: int
    connections: int
    lagging: int
    deliveries_per_s: float
    cpu: float
    memory_bytes: int
    draining: bool = False


class StatusPoint(msgspec.Struct):
    """What happened in the seconds before a moment, of all workers together.

    Latencies are from a record's timestamp to the last client, in milliseconds; null if nothing was written.
    """

    at_ms: int
    connections: int
    lagging: int
    deliveries_per_s: float
    records_per_s: float
    latency_ms_p50: float | None
    latency_ms_p90: float | None
    latency_ms_p99: float | None


class StatusBody(msgspec.Struct):
    """The server as it is now. ``history`` has a point for each of the last minutes' intervals, the newest last.

    ``closes_by_code`` counts all since the start, as ``by/code``. ``rooms`` and ``slow_clients`` are of the
    workers that answered; ``closes`` also come from processes of workers that have ended.
    """

    at_ms: int
    ready: bool
    problems: dict[str, str]
    degraded: dict[str, str]
    connections: int
    connections_max: int
    lagging: int
    deliveries_per_s: float
    history: list[StatusPoint]
    workers: list[WorkerStatus]
    rooms: list[RoomStatus]
    slow_clients: list[SlowClient]
    partitions: list[PartitionStatus]
    closes: list[CloseStatus]
    closes_by_code: dict[str, int]
