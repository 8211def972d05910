"""The numbers of one peer, for tables, files and the run folder."""

import msgspec


class Sizes(msgspec.Struct, frozen=True):
    """The task, which is the same for all peers.

    After all clients have connected, in two parts with ``settle_s`` of rest after each, and after ``warm_up_s``:
    ``runs`` measurements of ``seconds`` at ``rate_hz`` events a second; then steps of ``step_seconds`` to find the most
    deliveries per second, from ``first_deliveries_per_s`` to ``most_deliveries_per_s``.
    """

    clients: int = 1000
    rate_hz: float = 20.0
    event_bytes: int = 200
    seconds: float = 5.0
    runs: int = 3
    step_seconds: float = 3.0
    warm_up_s: float = 1.0
    settle_s: float = 2.0
    first_deliveries_per_s: float = 50_000.0
    most_deliveries_per_s: float = 3_200_000.0


class Numbers(msgspec.Struct, frozen=True):
    """What was measured.

    ``cpu_us`` is the server's CPU time per delivery, the median of all runs; ``cpu_us_runs`` has all of them. Latency
    counts from when an event was due. ``process_kib`` and ``kernel_kib`` are per idle connection. ``stopped_by`` says
    what ended the search for ``deliveries_per_s``, of which None means that not even the smallest load passed.
    ``wrong`` counts events and clients that were not as they had to be, and has to be 0.
    """

    cpu_us: float
    cpu_us_runs: list[float]
    p50_ms: float
    p99_ms: float
    process_kib: float
    kernel_kib: float
    connects_per_s: float
    deliveries_per_s: float | None
    stopped_by: str
    wrong: int


class PeerResult(msgspec.Struct, frozen=True):
    """One row. Without ``numbers``, ``missing`` says why; ``doubts`` are reasons not to trust the numbers."""

    peer: str
    version: str
    package: str
    note: str
    numbers: Numbers | None = None
    missing: str = ""
    doubts: list[str] = []
