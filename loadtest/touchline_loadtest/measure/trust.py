"""Whether measurements can be trusted: did the generator keep up, and did the server have its core to itself?"""

from collections.abc import Sequence
from enum import StrEnum

from touchline_loadtest.counters.commands import NICENESS

from .measurement import Measurement

GENERATOR_BUSY_MAX = 0.9
"""If its core is busier than this, the generator's processes may be the slow part."""
WAITED_MAX = 0.05
"""A server that spent more of its time than this waiting for its core was not measured alone."""
STOLEN_MAX = 0.02
"""The same for the time that a virtual machine's host takes: it comes in pieces of milliseconds, which show as
latency."""


class Doubt(StrEnum):
    """A reason not to trust a measurement."""

    GENERATOR_BUSY = "THE GENERATOR MAY BE THE BOTTLENECK"
    SERVER_WAITED = "THE MACHINE WAS NOT QUIET"
    TIME_STOLEN = "THE HOST WAS NOT QUIET"


def doubts(*measurements: Measurement) -> list[Doubt]:
    """The reasons not to trust some measurements."""
    found = {
        Doubt.GENERATOR_BUSY: max(one.busy for one in measurements) > GENERATOR_BUSY_MAX,
        Doubt.SERVER_WAITED: _waited(measurements) > WAITED_MAX,
        Doubt.TIME_STOLEN: _stolen(measurements) > STOLEN_MAX,
    }
    return [doubt for doubt, holds in found.items() if holds]


def trust_notes(*measurements: Measurement) -> list[str]:
    """How busy the clients were, how long they waited for their core, and each of the `doubts`."""
    busiest = max(measurements, key=lambda one: one.busy)
    usage = f"the clients' processes used at most {busiest.busy:.0%} of a core{_counters_share(busiest)}"
    texts = {
        Doubt.GENERATOR_BUSY: usage,
        Doubt.SERVER_WAITED: f"a server waited {_waited(measurements):.0%} of the time for its core, because other "
        "programs used it; do not rely on these numbers",
        Doubt.TIME_STOLEN: f"it took {_stolen(measurements):.0%} of a core from this machine; do not rely on these "
        "numbers",
    }
    found = doubts(*measurements)
    notes = [] if Doubt.GENERATOR_BUSY in found else [f"{usage}, so they kept up"]
    return [*notes, *(f"{doubt}: {texts[doubt]}" for doubt in found), _clients_waited(measurements)]


def _waited(measurements: Sequence[Measurement]) -> float:
    return max(one.waited_s / one.wall_s for one in measurements)


def _stolen(measurements: Sequence[Measurement]) -> float:
    return max(one.stolen_s / one.wall_s for one in measurements)


def _counters_share(measurement: Measurement) -> str:
    if not measurement.counters_busy:
        return ""
    counting = f"{measurement.counters_busy:.0%} to count, at nice {NICENESS}"
    return f" ({measurement.measuring_busy:.0%} to publish and measure, {counting})"


def _clients_waited(measurements: Sequence[Measurement]) -> str:
    measuring = max(one.measuring_waited_s / one.wall_s for one in measurements)
    counters = max(one.counters_waited_s / one.wall_s for one in measurements)
    if not any(one.counters_busy for one in measurements):
        return f"the clients' process waited at most {measuring:.1%} of the time for its core; lateness includes that"
    return (
        f"for the core that they share, the measuring process waited at most {measuring:.1%} of the time, and the "
        f"counters' process {counters:.1%}; lateness and spread include that"
    )
