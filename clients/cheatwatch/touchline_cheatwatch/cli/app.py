"""Puts the commands together, and turns every mistake that a user can mend into one line. Exit codes: `__main__`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from touchline_cheatwatch.__main__ import USER_ERROR
from touchline_protocol.errors import TouchlineError
from touchline_protocol.version import __version__

from .display import OutputClosed
from .evaluate import evaluate
from .verdict import verdict
from .watch import watch

app = typer.Typer(
    name="cheatwatch",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (watch, evaluate, verdict):
    app.command()(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cheatwatch {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _cheatwatch(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Finds players who cheat, by what they do, and writes the verdicts that Touchline's edges enforce.

    Exit codes: 0 done, 1 a mistake of Touchline's own, 2 something that you can mend, in one line, 3 an evaluation that
    found the rule set wanting.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    try:
        code = typer.main.get_command(app).main(args, prog_name="cheatwatch", standalone_mode=False)
    except TyperException as error:
        return _fail(error.format_message())
    except TouchlineError as error:
        return _fail(str(error))
    except OutputClosed:
        return 0
    return code if isinstance(code, int) else 0


def _fail(message: str) -> int:
    sys.stderr.write(f"cheatwatch: {' '.join(message.split())}\n")
    return USER_ERROR
