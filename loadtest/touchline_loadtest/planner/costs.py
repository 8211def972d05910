"""What things cost, as measured: a file that a plan is made from. Pure, but for reading the file.

`calibration` measures it, and `fit` turns runs into these numbers. The packaged one, ``costs.json``, names its machine:
on a faster one everything is cheaper, so measure your own (``python -m touchline_loadtest costs``).
"""

from pathlib import Path
from typing import NamedTuple

import msgspec

from touchline_protocol.errors import OperatorError

PACKAGED = Path(__file__).with_name("costs.json")


class CpuCosts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CPU time of an edge, in microseconds of one core.

    ``idle`` is per second. ``turn`` is what it takes to wake up for records that have arrived, however many they are;
    those that arrive within ``turn_ms`` of each other share a turn. ``record`` is per record of the log, watched or
    not, and ``event`` is what a record costs in addition if somebody watches its room, however many clients do.
    ``delivery`` is per event and client, ``crowd`` in addition for each thousand of the edge's connections: more of
    them do not fit into the processor's caches.
    """

    turn_ms: float
    idle: float
    turn: float
    record: float
    record_kib: float
    event: float
    delivery: float
    delivery_kib: float
    crowd: float


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measured run: what an edge did, and the CPU seconds that it took.

    ``watched`` counts records whose room somebody watches. ``bytes`` is the size of an event. ``fitted`` tells the runs
    that the costs were derived from; the others show how wrong these are.
    """

    name: str
    connections: int
    seconds: float
    records: int
    watched: int
    deliveries: int
    bytes: int
    cpu_s: float
    fitted: bool


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All costs of one machine. ``frame_bytes`` is what a message has besides its event's data."""

    machine: dict[str, str | int]
    touchline: str
    measured: str
    cpu: CpuCosts
    join_us: float
    action_us: float
    connection_kib: float
    kernel_kib: float
    base_mib: float
    frame_bytes: float
    runs: list[Run]


class Errors(NamedTuple):
    """How far predictions are from runs that the costs do not come from: shares, with their sign."""

    runs: int
    median: float
    worst: float


def load(path: Path) -> Costs:
    """Read a file of costs.

    Raises:
        OperatorError: it cannot be read, or is not one.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Costs)
    except OSError as error:
        raise OperatorError(f"cannot read the costs in {path}: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise OperatorError(f"{path} is not a file of costs: {error}. Measure one: touchline_loadtest costs") from error
