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
    """How far predictions are from runs that the costs do not come from, as shares of what was measured.

    ``median`` has no sign. ``lowest`` and ``highest`` do: where a prediction is below 0, a plan has too few edges.
    """

    runs: int
    median: float
    lowest: float
    highest: float

    @property
    def more_edges(self) -> float:
        """How many more edges, as a share, make up for the prediction that was too low by most; 0 if none was."""
        return max(0.0, 1 / (1 + self.lowest) - 1)

    @property
    def text(self) -> str:
        """The same for a user: how far off, in which direction, and what that means for a plan."""
        if not self.runs:
            return "No other run says how far off they are."
        text = (
            f"The CPU time that they predict for {self.runs} other runs is {self.median:.0%} off in the median, "
            f"between {_direction(self.lowest)} and {_direction(self.highest)}."
        )
        if self.lowest < 0:
            text += f" Too low means too few edges: {self.more_edges:.0%} more make up for the worst of these runs."
        return text


def _direction(error: float) -> str:
    return f"{abs(error):.0%} too {'low' if error < 0 else 'high'}"


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
