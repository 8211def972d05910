"""Runs an evaluation for ``cheatwatch evaluate``, and shows how many bots it caught and whom it accused."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from touchline_cheatwatch.evaluation.evaluate import KINDS, Result, evaluate, rules_of_bots
from touchline_cheatwatch.evaluation.scenarios import SCENARIOS, USUAL
from touchline_cheatwatch.exit_codes import RULES_FAILED
from touchline_cheatwatch.ruleset import RuleSet, load_rule_set
from touchline_cli.output import write_text
from touchline_protocol.errors import OperatorError
from touchline_protocol.printable import counted

from .output import write_json_line

SCENARIO_SHARE = 0.2
SCENARIO_PLAYERS_MIN = 50
"""In each scenario there is a fifth of the players, but at least one room of them."""

FILE_COLUMNS = 140
"""The width of what is written to a file or a pipe, where rows would otherwise be folded at 80."""

TRIAL = "cheatwatch watch --log URL --rules FILE --group trial --start beginning --verdicts-topic trial-verdicts"


class Evaluation(NamedTuple):
    """What was simulated: usual conditions, and each scenario by its name."""

    rule_set: RuleSet
    usual: Result
    scenarios: Mapping[str, Result]

    @property
    def failures(self) -> list[str]:
        """Why the rule set failed, in sentences; empty if it did not."""
        found = [
            f"{bot.rule} caught {bot.caught} of {counted(bot.bots, 'bot')} of the kind {bot.bot}: too few"
            for bot in self.usual.bots
            if not bot.is_caught
        ]
        for name, result in {"usual conditions": self.usual, **self.scenarios}.items():
            found += [
                f"{rule} accused {count} of {counted(result.players, 'honest player')} ({name})"
                for rule, count in result.accused.items()
            ]
        return found

    @property
    def notes(self) -> list[str]:
        """What was not evaluated, in sentences."""
        tried = set(rules_of_bots(self.rule_set).values())
        notes = []
        for name, rule in self.rule_set.rules.items():
            if not _is_tried(rule.kinds):
                notes.append(f"{name} was not tried: no simulated player does {' or '.join(rule.kinds)}")
            elif name not in tried:
                notes.append(f"{name} was tried on honest players only: no simulated bot is meant for it")
        return notes


def run_evaluation(
    rules_file: Path | None, *, players: int, minutes: float, seed: int, scenarios: bool, json: bool
) -> int:
    """Evaluate a rule set, print the result, and return the exit code.

    Raises:
        OperatorError: something in the rule set is wrong, or no simulated player does what its rules judge.
    """
    rule_set = load_rule_set(rules_file)
    if not any(_is_tried(rule.kinds) for rule in rule_set.rules.values()):
        judged = sorted({kind for rule in rule_set.rules.values() for kind in rule.kinds})
        raise OperatorError(
            f"nothing to evaluate: the rules judge {', '.join(judged)}, and the simulated players do "
            f"{', '.join(sorted(KINDS))}. To try such rules on what your players did: {TRIAL}; no server reads that "
            "topic, which has to exist"
        )
    started_s = time.perf_counter()
    if not json and not sys.stderr.isatty():
        write_text(f"simulating {counted(players, 'honest player')} for {counted(minutes, 'minute')}")
    result = _evaluate(rule_set, players=players, minutes=minutes, seed=seed, scenarios=scenarios)
    if json:
        write_json_line(_as_json(result))
    else:
        _show(result, time.perf_counter() - started_s)
    return RULES_FAILED if result.failures else 0


def _is_tried(kinds: Sequence[str]) -> bool:
    return not kinds or not KINDS.isdisjoint(kinds)


def _evaluate(rule_set: RuleSet, *, players: int, minutes: float, seed: int, scenarios: bool) -> Evaluation:
    wanted = SCENARIOS if scenarios else {}
    fewer = min(players, max(SCENARIO_PLAYERS_MIN, round(players * SCENARIO_SHARE)))
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=players + fewer * len(wanted))

        def advance(count: int) -> Callable[[float], None]:
            done = progress.tasks[0].completed
            return lambda share: progress.update(task, completed=done + share * count)

        usual = evaluate(rule_set, USUAL, players=players, minutes=minutes, seed=seed, on_progress=advance(players))
        return Evaluation(
            rule_set,
            usual,
            {
                name: evaluate(
                    rule_set, scenario, players=fewer, minutes=minutes, seed=seed, on_progress=advance(fewer)
                )
                for name, scenario in wanted.items()
            },
        )


def _as_json(result: Evaluation) -> dict[str, Any]:
    return {
        **_result_as_json(result.usual),
        "scenarios": {name: _result_as_json(one) for name, one in result.scenarios.items()},
        "failures": result.failures,
        "notes": result.notes,
    }


def _result_as_json(result: Result) -> dict[str, Any]:
    return {**result._asdict(), "bots": [bot._asdict() for bot in result.bots]}


def _show(result: Evaluation, seconds: float) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=FILE_COLUMNS)
    usual = result.usual
    table = Table("bot", "rule", "caught", "median s", "longest s", "honest players accused")
    for bot in usual.bots:
        share = f"{bot.caught} of {bot.bots} ({bot.caught / bot.bots:.0%})"
        times = ("-" if value is None else f"{value:.0f}" for value in (bot.median_s, bot.max_s))
        table.add_row(*map(Text, (bot.bot, bot.rule, share, *times, f"{usual.accused.get(bot.rule, 0)}")))
    for rule in sorted(result.rule_set.rules.keys() - {bot.rule for bot in usual.bots}):
        table.add_row("-", Text(rule), "-", "-", "-", f"{usual.accused.get(rule, 0)}")
    console.print(table)
    if result.scenarios:
        console.print(_scenario_table(result))
    console.print(
        f"{usual.players_accused} of {counted(usual.players, 'honest player')} accused "
        f"in {counted(usual.minutes, 'minute')} ({usual.players_accused / usual.players:.2%}); "
        f"{counted(sum(one.actions for one in (usual, *result.scenarios.values())), 'action')} in {seconds:.0f} s",
        highlight=False,
    )
    for note in result.notes:
        console.print(Text(f"note: {note}"))
    for failure in result.failures:
        console.print(Text(f"failed: {failure}"))


def _scenario_table(result: Evaluation) -> Table:
    table = Table("scenario", "honest players accused", *(bot.bot for bot in result.usual.bots))
    for name, one in result.scenarios.items():
        accused = f"{one.players_accused} of {one.players}"
        if one.accused:
            accused += f" ({', '.join(f'{rule} {count}' for rule, count in sorted(one.accused.items()))})"
        table.add_row(name, Text(accused), *(f"{bot.caught} of {bot.bots}" for bot in one.bots))
    return table
