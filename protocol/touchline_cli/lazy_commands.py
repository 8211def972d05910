"""Commands that are imported only when they run, so that the help and the small commands start fast.

A command line has a table of `CommandSpec`, and adds a `LazyCommand` for each to its group. Needs typer.
"""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

from touchline_protocol.errors import OperatorError

from .missing_library import missing_library


class CommandSpec(NamedTuple):
    """One command: the function behind it as ``module:function``, its line in the help, the extra that it needs."""

    target: str
    summary: str
    """The first line of the function's docstring, repeated here so that listing commands imports none of them."""
    extra: str = "server"


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
