"""The words that rules and engine share: an action, a finding, and the outcome of judging.

Pure: it knows JSON values and times in Unix milliseconds, but not where they come from.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from touchline_protocol.verdicts import VerdictRecord

NUMBER_MAX = 1e12
"""The largest position or score. Beyond it, floats begin to lose whole units, and their squares to overflow."""


class Action(Protocol):
    """What a player did, as `touchline.actions` hands it out: each action once, and a session's in order.

    ``data`` is a JSON value of any shape that the player chose, and a rule must accept all of them. ``received_ms`` is
    by the clock of the edge that received it. Another edge's clock may differ, so a later action can have a slightly
    earlier time.
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
    """An action, together with those before it, breaks a rule. ``evidence`` is a JSON object with the numbers."""

    evidence: Mapping[str, Any]


class Judgement(NamedTuple):
    """A finding, and the verdict that follows from it; None if an equally harsh one already stands."""

    player: str
    room: str
    rule: str
    received_ms: int
    evidence: Mapping[str, Any]
    verdict: VerdictRecord | None


class RuleFailure(NamedTuple):
    """A rule raised. That is a bug in the rule, which must not stop the judging of everybody else."""

    rule: str
    player: str
    error: Exception


def number(data: Any, field: str) -> float | None:
    """The number in a field of an action's data; None if there is none, or one too large to calculate with."""
    value = data.get(field) if isinstance(data, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= NUMBER_MAX else None
