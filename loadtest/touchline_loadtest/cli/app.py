"""The command line as a whole. It reports every error that the user can fix in one line. Exit codes: `exit_codes`."""

import sys
from collections.abc import Sequence

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from touchline_cli.lazy_commands import LazyCommand
from touchline_cli.output import ReaderGone
from touchline_protocol.errors import TouchlineError
from touchline_protocol.printable import escaped, without_credentials

from .commands import COMMANDS
from .exit_codes import FAILED, USER_ERROR, Failed

NAME = "touchline_loadtest"

_app = typer.Typer(
    name=NAME,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@_app.callback(invoke_without_command=True)
def _loadtest(context: typer.Context) -> None:
    """Load tests and measurements of Touchline.

    Exit codes: 0 success, 1 the result is not as it has to be, or the run itself failed, 2 an error that you can fix,
    reported in one line, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    group = typer.main.get_command(_app)
    assert isinstance(group, TyperGroup)  # noqa: S101 - it has a callback
    for name, spec in COMMANDS.items():
        group.add_command(LazyCommand(name, spec))
    try:
        code = group.main(sys.argv[1:] if args is None else args, prog_name=NAME, standalone_mode=False)
    except TyperException as error:
        return fail(error.format_message(), USER_ERROR)
    except TouchlineError as error:
        return fail(str(error), USER_ERROR)
    except Failed as error:
        return fail(str(error), FAILED)
    except ReaderGone:
        return 0
    return code if isinstance(code, int) else 0


def fail(message: str, code: int) -> int:
    """Print ``message`` in one line on stderr; returns the exit code."""
    sys.stderr.write(f"{NAME}: {escaped(without_credentials(' '.join(message.split())))}\n")
    return code
