"""The scenarios by name, and how the command line changes their sizes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from touchline_cli.suggestions import did_you_mean_or_all
from touchline_protocol.errors import OperatorError

from .measure.bench import Bench
from .measure.results import Result
from .scenarios import (
    compression,
    cpu_per_delivery,
    joins,
    kafka_latency,
    many_rooms,
    memory,
    season,
    slow_clients,
    small_beside_large,
    spread,
    state,
    throughput,
    tracking,
    unwatched,
)
from .scenarios.fleet import cold_edge, connections, workers
from .scenarios.hostile import (
    flood_half_open,
    flood_idle,
    flood_oversized,
    flood_pings,
    flood_refresh,
    flood_refused_actions,
    flood_slow_handshakes,
    flood_subscribe,
    replays_hogged,
)
from .scenarios.players import action_latency, actions, verdict_latency

MODULES = (
    cpu_per_delivery,
    throughput,
    many_rooms,
    spread,
    memory,
    joins,
    small_beside_large,
    slow_clients,
    unwatched,
    replays_hogged,
    flood_subscribe,
    flood_pings,
    flood_refused_actions,
    flood_refresh,
    flood_oversized,
    flood_idle,
    flood_half_open,
    flood_slow_handshakes,
    state,
    kafka_latency,
    actions,
    action_latency,
    verdict_latency,
    tracking,
    season,
    compression,
    workers,
    connections,
    cold_edge,
)
NEED_KAFKA = (
    action_latency,
    actions,
    cold_edge,
    connections,
    kafka_latency,
    many_rooms,
    state,
    tracking,
    verdict_latency,
    workers,
)

SCALED = ("clients", "rooms", "records")
"""``--scale`` multiplies the sizes whose names begin with one of these."""


class Scenario(NamedTuple):
    """A scenario. Its sizes are a frozen struct, which ``run`` takes."""

    name: str
    about: str
    needs_kafka: bool
    sizes: Any
    run: Callable[[Bench, Any], Awaitable[Result]]


def plain(text: str) -> str:
    """A docstring's text without its markup."""
    return text.replace("`", "")


SCENARIOS = {
    module.NAME: Scenario(
        module.NAME, plain((module.__doc__ or "").partition("\n")[0]), module in NEED_KAFKA, module.Sizes(), module.run
    )
    for module in MODULES
}


def choose(names: Sequence[str], kafka: str | None) -> list[Scenario]:
    """The scenarios with these names; without names, all that can run.

    Raises:
        OperatorError: no scenario has that name, or it needs a broker and none is given.
    """
    for name in names:
        if name not in SCENARIOS:
            raise OperatorError(f"there is no scenario {name!r}{did_you_mean_or_all(name, SCENARIOS)}")
        if SCENARIOS[name].needs_kafka and kafka is None:
            raise OperatorError(f"{name} needs a Kafka broker: name one with --kafka host:port")
    if names:
        return [SCENARIOS[name] for name in names]
    return [scenario for scenario in SCENARIOS.values() if kafka is not None or not scenario.needs_kafka]


def resized(sizes: Any, *, runs: int | None, seconds: float | None, scale: float) -> Any:
    """``sizes`` with the requested changes, for those fields that they have."""
    given = {"runs": runs, "seconds": seconds}
    changes: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(sizes).items():
        if given.get(name) is not None:
            changes[name] = given[name]
        elif name.startswith(SCALED) and scale != 1:
            changes[name] = max(1, round(value * scale))
    return msgspec.structs.replace(sizes, **changes)
