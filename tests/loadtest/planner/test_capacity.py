"""A plan is enough for the load and no larger, and names the limit that binds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.planner.capacity import Plan, plan
from touchline_loadtest.planner.costs import Costs, CpuCosts
from touchline_loadtest.planner.demand import Demand, Machine
from touchline_protocol.errors import OperatorError

COSTS = Costs(
    machine={"cpu": "a processor"},
    touchline="0",
    measured="2026-01-01",
    cpu=CpuCosts(
        turn_ms=1, idle=5000, turn=200, record=5, record_kib=1, event=40, delivery=7, delivery_kib=1, crowd=0.2
    ),
    join_us=300,
    action_us=50,
    connection_kib=4,
    kernel_kib=6,
    base_mib=50,
    frame_bytes=100,
    runs=[],
)
WIDE = Machine(cores=4, memory_gib=4096, network_gbit=4000, connections_max=1e9, kafka_gbit=1e6)
"""A machine on which only the processor is scarce."""


def planned(machine: Machine = WIDE, **demand: float) -> Plan:
    given = {"viewers": 1e6, "rooms": 50, "events_hz": 5, "bytes": 400, "join_s": 1e6, "latency_ms": 1e6}
    return plan(Demand(**(given | demand)), COSTS, machine)


def test_the_cpu_of_deliveries_binds_where_all_else_is_plenty() -> None:
    found = planned()
    assert found.limits[0].name == "CPU of deliveries"
    assert found.edge.core == pytest.approx(0.6, rel=0.02)
    # 5 million deliveries a second, at 0.6 of a core each, after what every edge does anyway.
    delivery_us = 7 + 400 / 1024 + 0.2 * found.edge.connections / 1000
    left = 0.6 - 0.005 - 200 * 200e-6 - 250 * (45 + 400 / 1024) * 1e-6
    assert found.edges == math.ceil(5e6 * delivery_us * 1e-6 / left)


@pytest.mark.parametrize(
    ("name", "machine", "demand"),
    [
        ("CPU of joins", WIDE, {"join_s": 5, "events_hz": 0.1}),
        ("latency", WIDE, {"latency_ms": 1, "events_hz": 0.1}),
        ("memory", Machine(**{name: getattr(WIDE, name) for name in ("network_gbit", "connections_max", "kafka_gbit")},
                           cores=4, memory_gib=2), {"events_hz": 0.01}),
        ("network", Machine(**{name: getattr(WIDE, name) for name in ("memory_gib", "connections_max", "kafka_gbit")},
                            cores=4, network_gbit=0.1), {"bytes": 4000}),
        ("connections", Machine(**{name: getattr(WIDE, name) for name in ("memory_gib", "network_gbit", "kafka_gbit")},
                                cores=4, connections_max=1000), {"events_hz": 0.01}),
    ],
    ids=["joins", "latency", "memory", "network", "connections"],
)  # fmt: skip
def test_each_limit_can_be_the_one_that_binds(name: str, machine: Machine, demand: dict[str, float]) -> None:
    assert planned(machine, **demand).limits[0].name == name


demands = st.builds(
    Demand,
    viewers=st.floats(1, 3e7),
    rooms=st.floats(1, 500),
    events_hz=st.floats(0, 10),
    bytes=st.floats(1, 5000),
    actions_hz=st.floats(0, 1000),
    join_s=st.floats(1, 600),
    latency_ms=st.floats(10, 1000),
)


@given(demands)
def test_a_fleet_is_enough_and_one_edge_fewer_is_not(demand: Demand) -> None:
    machine = Machine()
    try:
        found = plan(demand, COSTS, machine)
    except OperatorError:
        return
    per_edge_mib = machine.memory_gib * 1024 / machine.cores
    assert found.edge.core <= machine.busy
    assert found.edge.core_while_joining <= machine.join_busy
    assert found.edge.memory_mib <= per_edge_mib
    assert found.edge.spread_ms <= demand.latency_ms
    assert found.edge.connections <= machine.connections_max * (1 + 1e-9)
    assert found.edges == math.ceil(max(limit.edges for limit in found.limits))
    assert (found.machines - 1) * machine.cores >= found.edges


def test_a_load_that_no_fleet_carries_is_refused_with_the_reason() -> None:
    """Each edge reads every record: 200,000 of them a second are more than a core can read."""
    with pytest.raises(OperatorError, match="CPU of deliveries"):
        planned(rooms=40_000)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"viewers": 0}, "--viewers"),
        ({"viewers": math.nan}, "--viewers"),
        ({"events_hz": -1}, "--events-per-s"),
        ({"bytes": 1e9}, "--bytes"),
        ({"rooms_per_viewer": 51}, "--rooms"),
        ({"latency_ms": 0}, "--latency-ms"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_the_name_of_their_option(
    given: dict[str, float], named: str
) -> None:
    with pytest.raises(OperatorError, match=named):
        planned(WIDE, **given)
