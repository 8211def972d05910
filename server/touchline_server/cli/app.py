"""Puts the commands together, and turns every mistake that a user can mend into one line. Exit codes: `__main__`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from touchline_protocol.errors import TouchlineError
from touchline_protocol.version import __version__
from touchline_server.__main__ import USER_ERROR

from .output import ReaderGone
from .publish import publish
from .replay import replay, simulate
from .serve import demo, serve
from .tail import tail
from .token import token
from .topics import topics

app = typer.Typer(
    name="touchline",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (serve, demo, publish, tail, replay, simulate, topics, token):
    app.command()(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"touchline {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _touchline(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Live events from Kafka to thousands of WebSocket clients, in order, each exactly once.

    Exit codes: 0 done, 1 a mistake of Touchline's own, 2 something that you can mend, in one line, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    try:
        code = typer.main.get_command(app).main(args, prog_name="touchline", standalone_mode=False)
    except TyperException as error:
        return _fail(error.format_message())
    except TouchlineError as error:
        return _fail(str(error))
    except ReaderGone:
        return 0
    return code if isinstance(code, int) else 0


def _fail(message: str) -> int:
    sys.stderr.write(f"touchline: {' '.join(message.split())}\n")
    return USER_ERROR
