"""``check``: compare what the clients of a run saw and did with what the log held."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from touchline_loadtest.checks.breach import KINDS
from touchline_loadtest.checks.comparison.run_check import Outcome
from touchline_loadtest.runs.files import BREACHES, folder_of
from touchline_loadtest.runs.history.check import check_folder, write_breaches
from touchline_protocol.printable import counted, escaped

from .exit_codes import FAILED

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]
Show = Annotated[int, typer.Option(min=0, help="How many breaches to print. All are written to breaches.jsonl.")]
OtherPlayers = Annotated[
    bool, typer.Option("--other-players", help="Others acted too: the log may have actions of which no client tells.")
]


def check(run: Run, show: Show = 20, other_players: OtherPlayers = False) -> None:
    """Compare what the clients of a run saw and did with what the log held.

    Exits with 1 if a promise was not kept, and with 2 if there is nothing to compare.
    """
    run = folder_of(run)
    outcome = check_folder(run, all_players_known=not other_players)
    for name, count in outcome.counts.items():
        typer.echo(f"{count:>12,}  {name}")
    for text in outcome.cut:
        typer.echo(escaped(text))
    if outcome.breaches:
        _print(outcome, show)
    else:
        typer.echo("No promise was broken.")
    write_breaches(run, outcome.breaches)  # last: a full disk must not hide what was found
    if outcome.breaches:
        raise typer.Exit(FAILED)


def _print(outcome: Outcome, show: int) -> None:
    typer.echo(f"\n{counted(len(outcome.breaches) + outcome.more, 'breach', 'breaches')}:")
    for kind, count in Counter(breach.kind for breach in outcome.breaches).most_common():
        typer.echo(f"{count:>12,}  {kind}: {KINDS.get(kind, '')}")
    if outcome.more:
        typer.echo(f"{outcome.more:>12,}  more of traces that have many")
    typer.echo("")
    for breach in outcome.breaches[:show]:
        typer.echo(escaped(str(breach)))
    if len(outcome.breaches) > show:
        typer.echo(f"… and {len(outcome.breaches) - show:,} more: see {BREACHES}.jsonl")
