"""Whether the embedded log of the settings can be used. Its file is only looked at."""

import os
from pathlib import Path

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings, data_folder
from touchline_server.doctor.facts import LogFileFacts
from touchline_server.log.open import log_file, make_log
from touchline_server.log.sqlite.look import partition_counts


def look_at_log_file(settings: Settings) -> LogFileFacts:
    """The facts about an embedded log. One in memory has no trouble.

    Raises:
        OperatorError: the address is invalid.
    """
    make_log(settings)
    path = log_file(settings.log)
    return LogFileFacts(path, None if path is None else _trouble(path))


def _trouble(path: Path) -> str | None:
    if not path.exists():
        return _trouble_of_folder(path.parent)
    if not os.access(path, os.R_OK | os.W_OK):
        return "this user may not read and write the file"
    try:
        partition_counts(path)
    except OperatorError as error:
        return str(error)
    return None


def _trouble_of_folder(folder: Path) -> str | None:
    if not folder.is_dir():  # the server creates its data folder, and no other
        return None if folder == data_folder() else f"there is no folder {folder}"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"this user may not create files in {folder}"
