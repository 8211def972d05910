"""Checks a whole run: every client in every room, all actions, and every close. Pure.

It needs the traces twice: first to `learn` what the epochs stand for, then to compare. So a run is checked as a stream,
and only the log, and each client's state and place, are in memory.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from touchline_loadtest.checks.actions import Acted, ActionEntry
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import Cause, Close
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.checks.trace import Item
from touchline_protocol.messages import Deliver

from .action_check import check_actions, check_answers, check_verdicts
from .close_check import Causes
from .epoch_names import EpochNames
from .trace_check import TraceCheck

DEPARTURES = "departures"
"""Clients left a room, or had waited for everything, and what they had was compared with the log. It is not counted if
there are none: no client of a short run has been in a room for long enough."""


class Outcome(NamedTuple):
    """What was found. ``breaches`` are those that are reported one by one, and ``more`` counts the rest.

    ``counts`` says what was compared, so that a run in which nothing happened is not taken for a good one. ``cut`` says
    which of the run's files do not go on to the end.
    """

    breaches: list[Breach]
    more: int
    counts: Mapping[str, int]
    cut: Sequence[str] = ()

    @property
    def compared(self) -> int:
        """How much was compared: a run whose clients ended in rooms without seeing anything shows nothing."""
        names = ["events", "states", "actions acknowledged"]
        if not self.counts.get("traces"):
            names.append("closes")
        return sum(self.counts.get(name, 0) for name in names)


class RunCheck:
    """The check of one run. The methods are called in their order, each as often as needed, and `finish` once."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._causes = Causes((), log.verdicts)
        self._names: dict[str, EpochNames] = {}
        self._breaches: list[Breach] = []
        self._more = 0
        self._clients: set[str] = set()
        self._counts: Counter[str] = Counter()

    def learn(self, client: str, room: str, items: Iterable[Item]) -> None:
        """What a client saw of a room, or a part of it, in any order."""
        names = self._names.get(room)
        if names is None:
            names = self._names[room] = EpochNames(self._log.room(room))
        for item in items:
            names.learn(client, item)

    def explain(self, causes: Iterable[Cause], closes: Iterable[Close] = ()) -> None:
        """Everything that happened and may have ended connections, and when they ended. In one call."""
        self._causes = Causes(causes, self._log.verdicts, closes)

    def begin(self, client: str, room: str, deliver: Deliver, *, shows_skips: bool) -> TraceCheck:
        """The check of one client in one room, which takes its items one by one."""
        if room not in self._names:
            self.learn(client, room, ())
        self._clients.add(client)
        self._counts["traces"] += 1
        names = self._names[room]
        return TraceCheck(
            self._log.room(room), names.log, client, deliver, shows_skips=shows_skips, excuses=self._causes
        )

    def end(self, check: TraceCheck, ended_ms: float) -> None:
        """A client's items in a room are over; its process went on to ``ended_ms``."""
        check.end(ended_ms)
        self._breaches += check.breaches
        self._more += check.more
        self._counts["events"] += check.events
        self._counts["resumes"] += check.resumes
        self._counts["starts over"] += check.starts_over
        self._counts["states"] += check.states
        self._counts[DEPARTURES] += check.departures

    def close(self, close: Close) -> None:
        """The end of a connection."""
        self._counts["closes"] += 1
        breach = self._causes.check(close)
        if breach is not None:
            self._breaches.append(breach)

    def finish(
        self,
        acted: Sequence[Acted],
        readers: Mapping[str, Sequence[ActionEntry]],
        *,
        all_known: bool,
        ended_ms: float,
    ) -> Outcome:
        """Check the actions, and return everything that was found. The run went on to ``ended_ms``."""
        self._breaches += check_actions(acted, self._log.actions, readers, all_known=all_known)
        self._breaches += check_verdicts(acted, self._log.verdicts)
        self._breaches += check_answers(acted, ended_ms, self._causes)
        for names in self._names.values():
            self._breaches += names.breaches
        counts = {
            "clients": len(self._clients),
            "rooms": len(self._names),
            **{name: count for name, count in self._counts.items() if count or name != DEPARTURES},
            "records in the log": self._log.records,
            "actions acknowledged": sum(not each.code for each in acted),
            "actions in the log": len(self._log.actions),
        }
        return Outcome(self._breaches, self._more, counts)
