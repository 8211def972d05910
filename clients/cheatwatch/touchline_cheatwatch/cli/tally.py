"""What the service has seen so far, counted for the live table."""

import time
from collections import Counter, deque
from collections.abc import Sequence

from touchline_cheatwatch.clocks.comparison import ClockNotice
from touchline_cheatwatch.engine import Outcome
from touchline_cheatwatch.types import Judgement, PlayerAction, RuleFailure
from touchline_protocol.verdicts import VerdictRecord

NEWEST_SHOWN = 12
"""Verdicts in the table."""

RATE_SLICES = 10
"""The rate is that of this many seconds."""


class Tally:
    """Counts since the start, and the newest verdicts."""

    def __init__(self) -> None:
        self.actions = 0
        self.findings: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.newest: deque[tuple[Judgement, VerdictRecord]] = deque(maxlen=NEWEST_SHOWN)
        self._slices: deque[tuple[int, int]] = deque(maxlen=RATE_SLICES)

    def judged(self, actions: Sequence[PlayerAction]) -> None:
        """These actions were judged just now."""
        self.actions += len(actions)
        second = int(time.monotonic())
        if self._slices and self._slices[-1][0] == second:
            self._slices[-1] = (second, self._slices[-1][1] + len(actions))
        else:
            self._slices.append((second, len(actions)))

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """These are the outcomes."""
        for outcome in outcomes:
            if isinstance(outcome, RuleFailure):
                self.failures[outcome.rule] += 1
                continue
            if isinstance(outcome, ClockNotice):
                continue
            self.findings[outcome.rule] += 1
            if outcome.verdict is not None:
                self.verdicts[outcome.verdict.kind] += 1
                self.newest.appendleft((outcome, outcome.verdict))

    @property
    def rate(self) -> float:
        """Actions a second, over the newest full seconds."""
        second = int(time.monotonic())
        recent = [count for at, count in self._slices if second - RATE_SLICES < at < second]
        return sum(recent) / (RATE_SLICES - 1)
