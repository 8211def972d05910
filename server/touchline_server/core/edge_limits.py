"""The limits of an edge, put together."""

from typing import NamedTuple

from .admission.limits import AdmissionLimits
from .clients.limits import ClientLimits
from .input_scheduler import InputBudget
from .liveness import LivenessLimits
from .presence.board import PresenceLimits
from .write_scheduler import Budget


class EdgeLimits(NamedTuple):
    """The limits of an edge beside the hub's, the actions' and the access's.

    ``connections_max`` counts all connections. ``replay_concurrency``: reads of the log under way at once.
    ``move_margin_ms``: how far before its time a cursor of another log is looked for.
    """

    client: ClientLimits
    liveness: LivenessLimits
    budget: Budget
    input_budget: InputBudget
    connections_max: int
    replay_concurrency: int
    presence: PresenceLimits
    move_margin_ms: int
    admission: AdmissionLimits = AdmissionLimits()
