"""The words that rules and engine share: an action, a finding, and what comes of judging.

Pure: knows JSON values and times in Unix milliseconds, nothing of where they come from.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from touchline_protocol.verdicts import VerdictRecord

NUMBER_MAX = 1e12
"""Of a position or a score: beyond it, floats begin to lose whole units, and their squares to overflow."""


class Action(Protocol):
    """What a player did, as `touchline.actions` hands it out: each once, and a session's in order.

    ``data`` is a JSON value, of whatever shape the player chose: a rule must take any. ``received_ms`` is the clock of
    the edge that had it; another edge's may differ, so a later action can have a somewhat earlier time.
    """

    @property
    def player(self) -> str: ...
    @property
    def room(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> Any: ...
    @property
    def received_ms(self) -> int: ...


class Finding(NamedTuple):
    """An action, with what came before it, breaks a rule. ``evidence`` is a JSON object: the numbers that show it."""

    evidence: Mapping[str, Any]


class Judgement(NamedTuple):
    """A finding, and the verdict that follows from it; None where the player stands under one as harsh already."""

    player: str
    room: str
    rule: str
    received_ms: int
    evidence: Mapping[str, Any]
    verdict: VerdictRecord | None


class RuleFailure(NamedTuple):
    """A rule raised: a mistake in it, which must not end the judging of everybody else."""

    rule: str
    player: str
    error: Exception


def number(data: Any, field: str) -> float | None:
    """The number in a field of an action's data; None if there is none, or one that cannot be calculated with."""
    value = data.get(field) if isinstance(data, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= NUMBER_MAX else None
