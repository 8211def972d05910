"""``cheatwatch evaluate``: its options. `evaluation_report` does the work."""

from typing import Annotated

import typer

from .options import RulesOption


def evaluate(
    players: Annotated[int, typer.Option(min=1, max=100_000, help="The number of honest players.")] = 1000,
    minutes: Annotated[
        float, typer.Option(min=1, max=24 * 60, help="How long they play, in minutes of simulated time.")
    ] = 10,
    seed: Annotated[int, typer.Option(help="The seed of all chance: the same seed gives the same numbers.")] = 1,
    rules: RulesOption = None,
    scenarios: Annotated[
        bool, typer.Option(help="Also try clocks that are wrong, and games with an input tick: three times as long.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print the result as a line of JSON.")] = False,
) -> int:
    """Simulate honest players and bots, and count what the rules find. Exit code 3: they miss a kind of bot, or accuse
    an honest player; the last lines say why."""
    from .evaluation_report import run_evaluation  # noqa: PLC0415 - see the package

    return run_evaluation(rules, players=players, minutes=minutes, seed=seed, scenarios=scenarios, json=json)
