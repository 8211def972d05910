"""What a watch prints: a live table for people, or lines of JSON for programs. Both are observers of the service.

JSON lines: ``{"type":"watching"}`` once it judges, then for each finding ``{"type":"finding","player","room","rule",
"received_ms","evidence","verdict"}``. ``verdict`` is null if none was written.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from touchline_cheatwatch.engine import Engine, Outcome
from touchline_cheatwatch.types import Action, Judgement, RuleFailure

from .metrics import Metrics
from .output import write_json_line
from .tally import Tally

REFRESH_PER_S = 4
EVIDENCE_SHOWN_CHARS = 60

_log = logging.getLogger("touchline.cheatwatch")


class CountingObserver:
    """Counts, and logs the rules that fail. The base of the other two."""

    def __init__(self, engine: Engine, tally: Tally, metrics: Metrics) -> None:
        self.engine = engine
        self.tally = tally
        self._metrics = metrics

    def watching(self) -> None:
        """See `service.Observer`."""

    def judged(self, actions: Sequence[Action], now_ms: int) -> None:
        """See `service.Observer`."""
        self.tally.judged(actions)
        self._metrics.judged(actions, now_ms)

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """See `service.Observer`."""
        for outcome in outcomes:
            if isinstance(outcome, RuleFailure) and not self.tally.failures[outcome.rule]:
                _log.error("the rule %s raised, and may do so again", outcome.rule, exc_info=outcome.error)
        self.tally.found(outcomes)
        self._metrics.found(outcomes)


class JsonObserver(CountingObserver):
    """Writes each finding as a line."""

    def watching(self) -> None:
        """See `service.Observer`."""
        write_json_line({"type": "watching"})

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """See `service.Observer`."""
        super().found(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Judgement):
                write_json_line({"type": "finding", **outcome._asdict()})


class TableObserver(CountingObserver):
    """Shows a table in a `rich.live.Live`, which draws it several times a second in a thread of its own."""

    def live(self) -> Live:
        """The display, for ``with``."""
        return Live(
            get_renderable=lambda: _table(self.engine, self.tally),
            refresh_per_second=REFRESH_PER_S,
            console=Console(),
        )


def _table(engine: Engine, tally: Tally) -> Group:
    findings = ", ".join(f"{rule} {count}" for rule, count in sorted(tally.findings.items())) or "none"
    verdicts = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.verdicts.items())) or "none"
    head = (
        f"{engine.players:,} players   {tally.rate:,.0f} actions/s   {tally.actions:,} actions\n"
        f"findings: {findings}\nverdicts: {verdicts}"
    )
    table = Table("time", "player", "rule", "verdict", "until", "evidence", expand=True)
    for judgement, verdict in list(tally.newest):
        evidence = msgspec.json.encode(judgement.evidence).decode()
        if len(evidence) > EVIDENCE_SHOWN_CHARS:
            evidence = evidence[: EVIDENCE_SHOWN_CHARS - 1] + "…"
        until = "forever" if verdict.until is None else _clock(verdict.until)
        cells = (_clock(verdict.decided_ms or 0), judgement.player, judgement.rule, verdict.kind, until, evidence)
        table.add_row(*map(Text, cells))
    return Group(Text(head), table)


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%H:%M:%S")
