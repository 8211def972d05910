"""The words that rules and engine share: an action, a finding, and the outcome of judging.

Pure: it knows JSON values and times in milliseconds, but not where they come from.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from touchline_protocol.verdicts import VerdictRecord

NUMBER_MAX = 1e12
"""The largest position or score. Beyond it, floats begin to lose whole units, and their squares to overflow."""


class Now(NamedTuple):
    """The same moment by two clocks of ours. ``steady_ms`` is the time of day when the process began, and passes evenly
    from then on: for durations. ``unix_ms`` is the computer's clock, which may be set: for verdicts."""

    steady_ms: int
    unix_ms: int


class PlayerAction(Protocol):
    """What a player did, as `touchline.actions` hands it out: each action once, and a session's in order.

    ``received_ms`` is when ``edge`` received it, by the clock of that name.
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
    @property
    def edge(self) -> str: ...
    @property
    def clock(self) -> str: ...
    @property
    def traceparent(self) -> str | None: ...


class Action(NamedTuple):
    """What a player did, as rules see it.

    ``data`` is a JSON value of any shape that the player chose, and a rule must accept all of them. ``received_ms`` is
    the time of day by the edge's clock, to show to people: clocks of edges differ, and get set. A rule calculates with:

    - ``at_ms``, for the time between a player's actions. It never goes back. If ``stretch`` is not the same for two
      actions, nobody knows how much time was between them.
    - ``event_clock_ms``, to compare with the time of the room's events; None if the clocks cannot be compared now.
    """

    player: str
    room: str
    kind: str
    data: Any
    received_ms: int
    at_ms: int
    stretch: int
    event_clock_ms: int | None
    traceparent: str | None = None


class Finding(NamedTuple):
    """An action, together with those before it, breaks a rule. ``evidence`` is a JSON object with the numbers."""

    evidence: Mapping[str, Any]


class Judgement(NamedTuple):
    """A finding, and the verdict that follows from it; None if an equally harsh one already stands.

    ``traceparent`` is that of the action which broke the rule, and the verdict's record continues it.
    """

    player: str
    room: str
    rule: str
    received_ms: int
    evidence: Mapping[str, Any]
    verdict: VerdictRecord | None
    traceparent: str | None = None


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


class Decision(NamedTuple):
    """A verdict to be written; ``traceparent`` as in `Judgement`."""

    player: str
    verdict: VerdictRecord
    traceparent: str | None = None
