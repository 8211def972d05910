"""cheatwatch in the demo's process: its service unchanged, with the demo's rules, and the panel as its observer."""

import logging
from collections.abc import Sequence
from pathlib import Path

from touchline.actions import ActionSource
from touchline_cheatwatch.engine import Engine, Outcome
from touchline_cheatwatch.ruleset import load_rule_set
from touchline_cheatwatch.service import Service
from touchline_cheatwatch.sources import EventSource, VerdictLog
from touchline_cheatwatch.types import Judgement, Now, PlayerAction, RuleFailure

from .panel import Panel

RULES = Path(__file__).parent / "rules.toml"

logger = logging.getLogger("touchline.demo")


def make_referee(actions: ActionSource, events: EventSource, verdicts: VerdictLog, panel: Panel) -> Service:
    """The service that judges the demo's players."""
    rules = load_rule_set(RULES)
    engine = Engine(rules.rules, rules.policy, rules.limits)
    return Service(engine, actions, events, verdicts, _PanelObserver(panel, engine))


class _PanelObserver:
    """Implements cheatwatch's `Observer`."""

    def __init__(self, panel: Panel, engine: Engine) -> None:
        self._panel = panel
        self._engine = engine
        self._actions = 0
        self._findings = 0

    def watching(self) -> None:
        """The service judges from now on."""
        self._show()

    def judged(self, actions: Sequence[PlayerAction], now: Now) -> None:
        """Count what was judged."""
        self._actions += len(actions)
        self._show()

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """Show what was found and what was decided."""
        for outcome in outcomes:
            if isinstance(outcome, Judgement):
                self._findings += 1
                self._panel.add_finding(_finding(outcome))
            elif isinstance(outcome, RuleFailure):
                logger.error("the rule %s failed: %s", outcome.rule, outcome.error, exc_info=outcome.error)
        self._show()

    def _show(self) -> None:
        counts = {"actions": self._actions, "players": self._engine.players, "findings": self._findings}
        self._panel.show("counts", counts)


def _finding(judgement: Judgement) -> dict[str, object]:
    finding: dict[str, object] = {
        "player": judgement.player,
        "rule": judgement.rule,
        "evidence": judgement.evidence,
    }
    if (verdict := judgement.verdict) is None:
        return finding
    return finding | {"verdict": {"kind": verdict.kind, "reason": verdict.reason, "until": verdict.until}}
