"""The command line as a whole. It reports every error that the user can fix in one line. Exit codes: `exit_codes`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from touchline_cheatwatch.exit_codes import USER_ERROR
from touchline_cli.output import ReaderGone
from touchline_protocol.errors import TouchlineError
from touchline_protocol.printable import escaped, without_credentials
from touchline_protocol.version import __version__

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
    """Find players who cheat by what they do, and write the verdicts that Touchline's edges enforce.

    Exit codes: 0 success, 1 a bug in Touchline, 2 an error that you can fix, reported in one line, 3 an evaluation in
    which the rule set failed.
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
    except ReaderGone:
        return 0
    return code if isinstance(code, int) else 0


def _fail(message: str) -> int:
    sys.stderr.write(f"cheatwatch: {escaped(without_credentials(' '.join(message.split())))}\n")
    return USER_ERROR
