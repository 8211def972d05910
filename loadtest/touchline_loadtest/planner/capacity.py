"""How many edges a load needs, and which limit binds first. Pure.

Each limit by itself needs some number of edges; the fleet needs the largest of those. An edge is one process on one
core. Viewers spread evenly, so every edge has viewers of every room that has enough of them.

Each edge reads every record and flushes every watched room, however many edges there are. So more edges stop helping at
some point: if that alone takes the core, no number of edges is enough, and the plan says so.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from touchline_protocol.errors import OperatorError

from .costs import Costs
from .demand import Demand, Machine
from .fit import turns

SEGMENT_BYTES = 66
"""Ethernet, IP and TCP headers of one write, and its share of acknowledgements that come back (RFC 9293, options)."""
MTU_BYTES = 1448
"""What one segment carries (Ethernet's 1,500 without the headers)."""
RECORD_BYTES = 75
"""What a record has besides its value: 61 bytes of a batch, since few records share one at low rates, and key and
offsets (Kafka's message format, version 2)."""
GBIT_BYTES = 1e9 / 8
WINDOW_MIB_MAX = 256.0
"""``window_bytes_max``, the default: the newest events of all rooms that an edge keeps at most."""
WINDOW_S = 600.0
"""``window_s``, the default."""
EVENT_BYTES = 200
"""What an event in a window costs besides its bytes: a struct and its frame's objects."""


class Limit(NamedTuple):
    """One limit, the number of edges that it needs, and why. ``edges`` is infinite if no number is enough."""

    name: str
    edges: float
    text: str


class Edge(NamedTuple):
    """What one edge of the fleet does at the peak. ``spread_ms`` is from the first to the last client of a room."""

    connections: float
    deliveries_hz: float
    core: float
    core_while_joining: float
    memory_mib: float
    network_gbit: float
    spread_ms: float


class Plan(NamedTuple):
    """``limits`` are in the order of the edges that they need: the first one binds.

    ``machines`` is enough for the edges and one of them more, which may fail at the peak. ``kafka_gbit`` is what the
    brokers have to send, since each edge reads every record. It grows with the fleet, so more edges do not help there.
    """

    edges: int
    machines: int
    edge: Edge
    limits: Sequence[Limit]
    kafka_gbit: float
    kafka_records_hz: float


def plan(demand: Demand, costs: Costs, machine: Machine) -> Plan:
    """The smallest fleet that carries the load.

    Raises:
        OperatorError: no number of edges does, with the reason.
    """
    limits = sorted(_limits(demand, costs, machine), key=lambda limit: -limit.edges)
    if math.isinf(limits[0].edges):
        raise OperatorError(f"no number of edges carries this: {limits[0].text}")
    edges = math.ceil(limits[0].edges)
    kafka_hz = demand.records_hz * edges
    kafka_gbit = kafka_hz * (demand.bytes + RECORD_BYTES) / GBIT_BYTES
    per_machine = max(1, math.floor(machine.cores))
    edge = _edge(demand, costs, edges)
    by_memory = max(1, math.floor(machine.memory_gib * 1024 / edge.memory_mib))
    machines = math.ceil(edges / min(per_machine, by_memory)) + 1
    return Plan(edges, machines, edge, limits, kafka_gbit, kafka_hz)


def _limits(demand: Demand, costs: Costs, machine: Machine) -> list[Limit]:
    share = f"of {machine.cores:g} edges on a machine"
    return [
        _smallest(
            "CPU of deliveries",
            lambda edge: edge.core <= machine.busy,
            f"an edge may use {machine.busy:.0%} of its core",
            demand,
            costs,
        ),
        _smallest(
            "CPU of joins",
            lambda edge: edge.core_while_joining <= machine.join_busy,
            f"everybody connects within {demand.join_s:g} s, at {machine.join_busy:.0%} of each core",
            demand,
            costs,
        ),
        _smallest(
            "latency",
            lambda edge: edge.spread_ms <= demand.latency_ms,
            f"an event reaches the last client of a room {demand.latency_ms:g} ms after the first",
            demand,
            costs,
        ),
        _smallest(
            "memory",
            lambda edge: edge.memory_mib <= machine.memory_gib * 1024 / machine.cores,
            f"{machine.memory_gib * 1024 / machine.cores:,.0f} MiB for each {share}",
            demand,
            costs,
        ),
        _smallest(
            "network",
            lambda edge: edge.network_gbit <= machine.network_gbit / machine.cores,
            f"{machine.network_gbit / machine.cores:.3g} Gbit/s for each {share}",
            demand,
            costs,
        ),
        Limit(
            "connections",
            demand.viewers / machine.connections_max,
            f"connections_max is {machine.connections_max:,.0f} per edge",
        ),
    ]


def _smallest(name: str, fits: Callable[[Edge], bool], text: str, demand: Demand, costs: Costs) -> Limit:
    """The smallest number of edges with which each of them fits. More edges never make an edge's load larger."""
    most = 2 ** math.ceil(math.log2(demand.viewers + 1))
    if not fits(_edge(demand, costs, most)):
        return Limit(name, math.inf, f"{name}: {text}, and one viewer per edge is too much already")
    low, high = 0, 1
    while not fits(_edge(demand, costs, high)):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(_edge(demand, costs, middle)) else (middle, high)
    return Limit(name, float(high), text)


def _edge(demand: Demand, costs: Costs, edges: int) -> Edge:
    cpu = costs.cpu
    connections = demand.viewers / edges
    deliveries_hz = demand.deliveries_hz / edges
    watched = min(1.0, demand.memberships / edges / demand.rooms)
    kib = demand.bytes / 1024
    delivery_us = cpu.delivery + cpu.delivery_kib * kib + cpu.crowd * connections / 1000
    core_us = (
        cpu.idle
        + cpu.turn * turns(demand.records_hz, cpu.turn_ms)
        + demand.records_hz * (cpu.record + cpu.record_kib * kib + cpu.event * watched)
        + deliveries_hz * delivery_us
        + demand.actions_hz / edges * costs.action_us
    )
    frame_bytes = demand.bytes + costs.frame_bytes
    wire_bytes = frame_bytes + SEGMENT_BYTES * math.ceil(frame_bytes / MTU_BYTES)
    log_bytes = demand.records_hz * (demand.bytes + RECORD_BYTES)
    window_mib = min(WINDOW_MIB_MAX, demand.records_hz * WINDOW_S * (demand.bytes + EVENT_BYTES) / 2**20)
    return Edge(
        connections=connections,
        deliveries_hz=deliveries_hz,
        core=core_us / 1e6,
        core_while_joining=(core_us + connections / demand.join_s * costs.join_us) / 1e6,
        memory_mib=costs.base_mib + window_mib + connections * (costs.connection_kib + costs.kernel_kib) / 1024,
        network_gbit=(deliveries_hz * wire_bytes + log_bytes) / GBIT_BYTES,
        spread_ms=demand.memberships / demand.rooms / edges * delivery_us / 1000,
    )
