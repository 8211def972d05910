"""Runs an evaluation for ``cheatwatch evaluate``, and shows how many bots it caught and whom it accused."""

import sys
import time
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from touchline_cheatwatch.evaluation.evaluate import Result, evaluate
from touchline_cheatwatch.exit_codes import RULES_FAILED
from touchline_cheatwatch.ruleset import load_rule_set


def run_evaluation(rules_file: Path | None, *, players: int, minutes: float, seed: int, json: bool) -> int:
    """Evaluate a rule set, print the result, and return the exit code.

    Raises:
        OperatorError: something in the rule set is wrong.
    """
    rule_set = load_rule_set(rules_file)
    started_s = time.perf_counter()
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=1.0)
        result = evaluate(
            rule_set,
            players=players,
            minutes=minutes,
            seed=seed,
            on_progress=lambda share: progress.update(task, completed=share),
        )
    if json:
        typer.echo(msgspec.json.encode({**result._asdict(), "bots": [bot._asdict() for bot in result.bots]}).decode())
    else:
        _show(result, time.perf_counter() - started_s)
    return 0 if result.is_good else RULES_FAILED


def _show(result: Result, seconds: float) -> None:
    console = Console()
    table = Table("bot", "rule", "caught", "median s", "longest s", "honest players accused")
    for bot in result.bots:
        share = f"{bot.caught} of {bot.bots} ({bot.caught / bot.bots:.0%})"
        times = ("-" if value is None else f"{value:.0f}" for value in (bot.median_s, bot.max_s))
        table.add_row(*map(Text, (bot.bot, bot.rule, share, *times, f"{result.accused.get(bot.rule, 0)}")))
    console.print(table)
    console.print(
        f"{result.players_accused} of {result.players:,} honest players accused in {result.minutes:g} minutes "
        f"({result.players_accused / result.players:.2%}); {result.actions:,} actions in {seconds:.0f} s",
        highlight=False,
    )
