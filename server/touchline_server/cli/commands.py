"""The commands of ``touchline``: what each is called, where it is implemented, and which extra it needs.

A command's module is imported only when that command runs, so ``touchline --help`` and the small commands start fast.
This module therefore imports nothing heavy.

Other packages add commands through the entry-point group `EXTENSION_GROUP`. Each entry point names a mapping like
`COMMANDS`. That is how the demo adds its own: the server does not know it.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

from touchline_protocol.errors import OperatorError

from .exit_codes import missing_library

EXTENSION_GROUP = "touchline.commands"


class CommandSpec(NamedTuple):
    """One command: the function behind it as ``module:function``, its line in the help, the extra that it needs."""

    target: str
    summary: str
    """The first line of the function's docstring, repeated here so that listing commands imports none of them."""
    extra: str = "server"


COMMANDS: Mapping[str, CommandSpec] = {
    "serve": CommandSpec("touchline_server.cli.serve:serve", "Serve the rooms of a log to WebSocket clients."),
    "publish": CommandSpec("touchline_server.cli.publish:publish", "Publish one event and print its position."),
    "tail": CommandSpec("touchline_server.cli.tail:tail", "Print a room's events as they happen."),
    "topics": CommandSpec("touchline_server.cli.topics:topics", "List or create the topics that a server needs."),
    "salvage": CommandSpec(
        "touchline_server.cli.salvage:salvage", "Save what can be read of a damaged embedded log in a new file."
    ),
    "token": CommandSpec("touchline_server.cli.token:token", "Create a token for development and print it."),
}


def extension_commands() -> dict[str, CommandSpec]:
    """The commands that installed packages add. Importing the metadata reader takes 40 ms: call it only if needed."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - see above

    commands: dict[str, CommandSpec] = {}
    for entry_point in entry_points(group=EXTENSION_GROUP):
        commands.update(entry_point.load())
    return commands


class LazyCommand(TyperCommand):
    """Stands in for a command until it is run or asked for its help."""

    def __init__(self, name: str, spec: CommandSpec) -> None:
        super().__init__(name, short_help=spec.summary)
        self._spec = spec

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse the arguments as the real command does. The group invokes the command that the context names."""
        return self._load().make_context(info_name, args, parent=parent, **extra)

    def _load(self) -> Any:
        module, _, function = self._spec.target.partition(":")
        try:
            implementation = getattr(import_module(module), function)
        except ModuleNotFoundError as error:
            raise OperatorError(missing_library(error, self._spec.extra)) from None
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        single.command(self.name)(implementation)
        return typer.main.get_command(single)
