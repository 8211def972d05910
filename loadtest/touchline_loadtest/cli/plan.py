"""``plan``: how many edges an audience needs, and which limit binds first; docs/capacity.md explains the model."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from touchline_loadtest.planner import costs as cost_files
from touchline_loadtest.planner.capacity import Plan
from touchline_loadtest.planner.capacity import plan as plan_fleet
from touchline_loadtest.planner.costs import Costs
from touchline_loadtest.planner.demand import Demand, Machine
from touchline_loadtest.planner.fit import errors
from touchline_protocol.printable import counted

_DEFAULT = Machine()


def plan(
    viewers: Annotated[float, typer.Option(help="Clients that are connected at the same time.")],
    rooms: Annotated[float, typer.Option(help="Rooms that they watch.")],
    events_per_s: Annotated[float, typer.Option(help="Events per second in each room.")],
    bytes_: Annotated[float, typer.Option("--bytes", help="Bytes of an event's data.")],
    rooms_per_viewer: Annotated[float, typer.Option(help="Rooms that each of them watches.")] = 1.0,
    actions_per_s: Annotated[float, typer.Option(help="Actions per second of all players together.")] = 0.0,
    join_s: Annotated[float, typer.Option(help="Everybody connects within this many seconds.")] = 60.0,
    latency_ms: Annotated[float, typer.Option(help="From the first to the last client of a room.")] = 100.0,
    cores: Annotated[float, typer.Option(help="Cores of a machine, with one edge each.")] = _DEFAULT.cores,
    memory_gib: Annotated[float, typer.Option(help="Memory of a machine.")] = _DEFAULT.memory_gib,
    network_gbit: Annotated[float, typer.Option(help="Network of a machine.")] = _DEFAULT.network_gbit,
    connections_max: Annotated[float, typer.Option(help="The edges' setting.")] = _DEFAULT.connections_max,
    busy: Annotated[float, typer.Option(help="Share of a core that may be used.")] = _DEFAULT.busy,
    join_busy: Annotated[float, typer.Option(help="The same while everybody connects.")] = _DEFAULT.join_busy,
    kafka_gbit: Annotated[float, typer.Option(help="What all brokers can send.")] = _DEFAULT.kafka_gbit,
    costs: Annotated[
        Path, typer.Option(help="Measured costs; yours: `touchline_loadtest costs`.")
    ] = cost_files.PACKAGED,
) -> None:
    """Say how many edges an audience needs, and which limit binds first."""
    demand = Demand(
        viewers=viewers,
        rooms=rooms,
        events_hz=events_per_s,
        bytes=bytes_,
        rooms_per_viewer=rooms_per_viewer,
        actions_hz=actions_per_s,
        join_s=join_s,
        latency_ms=latency_ms,
    )
    machine = Machine(
        cores=cores,
        memory_gib=memory_gib,
        network_gbit=network_gbit,
        connections_max=connections_max,
        busy=busy,
        join_busy=join_busy,
        kafka_gbit=kafka_gbit,
    )
    known = cost_files.load(costs)
    _show(plan_fleet(demand, known, machine), demand, machine, known)


def _show(found: Plan, demand: Demand, machine: Machine, costs: Costs) -> None:
    console = Console(highlight=False)
    binding = found.limits[0]
    console.print(
        f"{counted(found.edges, 'edge')}, one core each, on {counted(found.machines, 'machine')} (one of them spare). "
        f"{binding.name} binds first: {binding.text}.",
        soft_wrap=True,
    )
    limits = Table("limit", "edges", "because")
    limits.columns[1].justify = "right"
    for limit in found.limits:
        limits.add_row(limit.name, _number(limit.edges), limit.text)
    console.print(limits)
    console.print(_loads(found, machine))
    if found.kafka_gbit > machine.kafka_gbit:
        console.print(
            f"Kafka has to send {found.kafka_gbit:.3g} Gbit/s, more than the {machine.kafka_gbit:g} that it can: add "
            "brokers and partitions, or copies of the topics in clusters of their own.",
            soft_wrap=True,
        )
    console.print(
        f"From costs measured on {costs.machine['cpu']}, {costs.measured}, Touchline {costs.touchline}. "
        f"{errors(costs.cpu, costs.runs).text}",
        soft_wrap=True,
    )


def _loads(found: Plan, machine: Machine) -> Table:
    edge = found.edge
    read_hz = found.kafka_records_hz / found.edges
    loads = Table("at the peak", "an edge", "the fleet")
    for column in (1, 2):
        loads.columns[column].justify = "right"
    rows = [
        ("connections", _number(edge.connections), _number(edge.connections * found.edges)),
        ("deliveries/s", _number(edge.deliveries_hz), _number(edge.deliveries_hz * found.edges)),
        ("core in use", f"{edge.core:.0%}", f"{edge.core * found.edges:,.1f} cores"),
        (
            "while joining",
            f"{edge.core_while_joining:.0%}",
            f"{edge.core_while_joining * found.edges:,.1f} cores",
        ),
        ("memory", f"{edge.memory_mib:,.0f} MiB", f"{edge.memory_mib * found.edges / 1024:,.1f} GiB"),
        ("network", f"{edge.network_gbit:.3g} Gbit/s", f"{edge.network_gbit * found.edges:,.1f} Gbit/s"),
        ("first to last client", f"{edge.spread_ms:.3g} ms", ""),
        (
            "read from Kafka",
            f"{_number(read_hz)} records/s",
            f"{found.kafka_gbit:,.3g} Gbit/s",
        ),
    ]
    for row in rows:
        loads.add_row(*row)
    return loads


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"  # noqa: PLR2004 - small numbers need their fractions
