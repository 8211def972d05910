"""The command line as a whole: reports every mistake that the user can fix in one line. Exit codes: `exit_codes`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from touchline_cli.lazy_commands import LazyCommand
from touchline_cli.output import ReaderGone
from touchline_protocol.errors import TouchlineError
from touchline_protocol.version import __version__

from .commands import COMMANDS, extension_commands
from .exit_codes import fail

_app = typer.Typer(
    name="touchline",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"touchline {__version__}")
        raise typer.Exit


@_app.callback(invoke_without_command=True)
def _touchline(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Live events from Kafka to thousands of WebSocket clients, in order, each exactly once.

    Exit codes: 0 success, 1 `topics` or `salvage` found something missing, or a bug in Touchline, with a traceback,
    2 an error that you can fix, reported in one line, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    given = sys.argv[1:] if args is None else args
    try:
        code = _group(given).main(given, prog_name="touchline", standalone_mode=False)
    except TyperException as error:
        return fail(error.format_message() + _new_name(error))
    except TouchlineError as error:
        return fail(str(error))
    except ReaderGone:
        return 0
    return code if isinstance(code, int) else 0


def _new_name(error: TyperException) -> str:
    """What a flag is called now, if the error is about one that was renamed."""
    flag = getattr(error, "option_name", None)
    if not isinstance(flag, str):
        return ""
    from touchline_server.config.suggestions import renamed  # noqa: PLC0415 - only for this error

    return renamed(flag.removeprefix("--").replace("-", "_"), lambda option: "--" + option.replace("_", "-"))


def _group(args: Sequence[str]) -> TyperGroup:
    group = typer.main.get_command(_app)
    assert isinstance(group, TyperGroup)  # noqa: S101 - it has a callback
    is_own = bool(args) and args[0] in COMMANDS
    for name, spec in (COMMANDS if is_own else {**COMMANDS, **extension_commands()}).items():
        group.add_command(LazyCommand(name, spec))
    return group
