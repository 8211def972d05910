"""``cheatwatch evaluate``: how many bots a rule set catches, how soon, and how many honest players it accuses."""

import sys
import time
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from touchline_cheatwatch.evaluation.evaluate import Result
from touchline_cheatwatch.evaluation.evaluate import evaluate as run_evaluation
from touchline_cheatwatch.ruleset import load_rule_set

from .options import RulesOption

FOUND_WANTING = 3


def evaluate(
    players: Annotated[int, typer.Option(min=1, max=100_000, help="Honest players.")] = 1000,
    minutes: Annotated[float, typer.Option(min=1, max=24 * 60, help="How long they play, in simulated time.")] = 10,
    seed: Annotated[int, typer.Option(help="Chance follows from it: the same numbers for the same seed.")] = 1,
    rules: RulesOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as a line of JSON.")] = False,
) -> int:
    """Simulate honest players and bots, and count what the rules find. Exit code 3: a kind of bot is not caught, or an
    honest player is."""
    rule_set = load_rule_set(rules)
    began_s = time.perf_counter()
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=1.0)
        result = run_evaluation(
            rule_set,
            players=players,
            minutes=minutes,
            seed=seed,
            on_progress=lambda share: progress.update(task, completed=share),
        )
    if json:
        typer.echo(msgspec.json.encode({**result._asdict(), "bots": [bot._asdict() for bot in result.bots]}).decode())
    else:
        _show(result, time.perf_counter() - began_s)
    return 0 if result.is_good else FOUND_WANTING


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
