"""How the command reports an error that the user can fix. Light to import, and needs no installed library.

Exit codes: 0 success (including a server that was asked to stop, and a tail whose reader closed the pipe), 1 a bug of
ours, with a traceback, or `topics`, `salvage` or `doctor` found something wrong, 2 an error that the user can fix, in
one line on stderr, 130 interrupted by Ctrl-C.
"""

import sys

from touchline_protocol.printable import escaped, without_credentials

USER_ERROR = 2
NOT_FOUND = 1
"""A command that looks for something did its work, and something is missing. As of ``grep`` and ``diff``."""


def fail(message: str) -> int:
    """Print ``message`` in one line on stderr; returns the exit code."""
    sys.stderr.write(f"touchline: {escaped(without_credentials(' '.join(message.split())))}\n")
    return USER_ERROR
