"""``touchline salvage``: what can still be read of a damaged embedded log."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from touchline_cli.output import write_line
from touchline_protocol.errors import OperatorError
from touchline_protocol.printable import counted, escaped
from touchline_server.config.loading import load_settings
from touchline_server.log.open import key_fields_of
from touchline_server.log.sqlite.log import now_ms
from touchline_server.log.sqlite.salvage import salvage as salvage_file
from touchline_server.log.sqlite.store import Store
from touchline_server.server_log.setup import command_notes

from .exit_codes import NOT_FOUND
from .options import ConfigOption


def salvage(
    damaged: Annotated[Path, typer.Argument(metavar="DAMAGED", help="The file of the damaged log. It is only read.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The file to create.")],
    config: ConfigOption = None,
) -> None:
    """Save what can be read of a damaged embedded log in a new file.

    Stop the server first. Afterwards, serve the new file with --log sqlite:///absolute/path. Its clients start over.
    The exit code is 1 if something is lost.
    """
    settings = load_settings(config, {})
    if new.exists():
        raise OperatorError(f"{new} exists: name a file to create")
    open_store = partial(Store, new, settings.sqlite, key_fields_of(settings), now_ms)
    with command_notes():
        report = salvage_file(damaged, open_store)
        for topic, saved, lost in report:
            write_line(escaped(f"{topic}: {counted(saved, 'record')} saved, {lost} lost").encode())
    if any(topic.lost for topic in report):
        raise typer.Exit(NOT_FOUND)
