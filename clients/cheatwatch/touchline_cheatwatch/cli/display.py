"""What a watch prints: a live table on a terminal, lines of text elsewhere, or lines of JSON for programs. All of them
are observers of the service.

JSON lines: ``{"type":"watching"}`` once it judges, then for each finding ``{"type":"finding","player","room","rule",
"received_ms","evidence","verdict"}``. ``verdict`` is null if none was written.
"""

import json
import logging
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from touchline_cheatwatch.clocks.comparison import ClockNotice
from touchline_cheatwatch.engine import Engine, Outcome
from touchline_cheatwatch.types import Judgement, Now, PlayerAction, RuleFailure
from touchline_cli.output import write_text
from touchline_protocol.printable import counted
from touchline_protocol.verdicts import VerdictRecord

from .metrics import Metrics
from .output import write_json_line
from .tally import Tally

REFRESH_PER_S = 4
EVIDENCE_SHOWN_CHARS = 60
SET_BACK_EVERY_S = 60.0
"""How often a clock that goes back again and again is reported, for each edge."""

_log = logging.getLogger("touchline.cheatwatch")


class CountingObserver:
    """Counts, and logs the rules that fail and the clocks that are wrong. The base of the others."""

    def __init__(self, engine: Engine, tally: Tally, metrics: Metrics) -> None:
        self.engine = engine
        self.tally = tally
        self._metrics = metrics
        self._set_back_s: dict[str, float] = {}

    def watching(self) -> None:
        """See `service.Observer`."""

    def judged(self, actions: Sequence[PlayerAction], now: Now) -> None:
        """See `service.Observer`."""
        self.tally.judged(actions)
        self._metrics.judged(actions, now)

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """See `service.Observer`."""
        for outcome in outcomes:
            if isinstance(outcome, ClockNotice):
                self._notice(outcome)
            elif isinstance(outcome, RuleFailure) and not self.tally.failures[outcome.rule]:
                _log.error("the rule %s raised, and may do so again", outcome.rule, exc_info=outcome.error)
        self.tally.found(outcomes)
        self._metrics.found(outcomes)

    def _notice(self, notice: ClockNotice) -> None:
        if notice.set_back_ms:
            now_s = time.monotonic()
            if now_s < self._set_back_s.get(notice.edge, -math.inf) + SET_BACK_EVERY_S:
                return
            self._set_back_s[notice.edge] = now_s
        _log.warning("%s", notice_text(notice))


def notice_text(notice: ClockNotice) -> str:
    """What an operator should know about an edge's clock."""
    if notice.set_back_ms:
        return f"the clock of {notice.edge} was set back by {notice.set_back_ms / 1000:.1f} s"
    if not notice.ahead_ms:
        return f"the clock of {notice.edge} is right again"
    where = "ahead of" if notice.ahead_ms > 0 else "behind"
    return f"the clock of {notice.edge} is {abs(notice.ahead_ms) / 1000:.1f} s {where} this computer's: set them by NTP"


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


class LinesObserver(CountingObserver):
    """Writes each verdict as a line of text, for a log or a file."""

    def watching(self) -> None:
        """See `service.Observer`."""
        write_text(f"judging from now on, by {', '.join(self.engine.rule_names)}")

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """See `service.Observer`."""
        super().found(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Judgement) and outcome.verdict is not None:
                write_text(f"{_clock(outcome.verdict.decided_ms or 0)}  {_sentence(outcome, outcome.verdict)}")

    def ended(self) -> None:
        """The watch was asked to stop."""
        write_text(
            f"stopped after {counted(self.tally.actions, 'action')}; {_counts(self.tally).replace(chr(10), '; ')}"
        )


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
    seen = f"{counted(engine.players, 'player')}   {tally.rate:,.0f} actions/s   {counted(tally.actions, 'action')}"
    head = f"{seen}\n{_counts(tally)}"
    table = Table("time", "player", "rule", "verdict", "until", "evidence", expand=True)
    for judgement, verdict in list(tally.newest):
        evidence = msgspec.json.encode(judgement.evidence).decode()
        if len(evidence) > EVIDENCE_SHOWN_CHARS:
            evidence = evidence[: EVIDENCE_SHOWN_CHARS - 1] + "…"
        until = "for ever" if verdict.until is None else _clock(verdict.until)
        cells = (_clock(verdict.decided_ms or 0), judgement.player, judgement.rule, verdict.kind, until, evidence)
        table.add_row(*map(Text, cells))
    return Group(Text(head), table)


def _counts(tally: Tally) -> str:
    findings = ", ".join(f"{rule} {count}" for rule, count in sorted(tally.findings.items())) or "none"
    verdicts = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.verdicts.items())) or "none"
    return f"findings: {findings}\nverdicts: {verdicts}"


def _sentence(judgement: Judgement, verdict: VerdictRecord) -> str:
    until = "for ever" if verdict.until is None else f"until {_clock(verdict.until)}"
    evidence = json.dumps(judgement.evidence)  # escapes what a terminal would act on
    return f"{judgement.player}: {verdict.kind} {until} by {judgement.rule} in {judgement.room}  {evidence}"


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%H:%M:%S")
