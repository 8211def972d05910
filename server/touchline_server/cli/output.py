"""What a command prints as its result: lines on stdout, flushed as they come."""

import os
import sys

from touchline_protocol.errors import OperatorError


class ReaderGone(Exception):
    """Whoever read stdout has closed it: the command is done."""


def write_line(line: bytes) -> None:
    """Write one line.

    Raises:
        ReaderGone: nobody reads any more.
        OperatorError: it cannot be written, as to a full disk.
    """
    try:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _discard_the_rest()
        raise ReaderGone from None
    except OSError as error:
        _discard_the_rest()
        raise OperatorError(f"the output cannot be written: {error.strerror}") from None


def _discard_the_rest() -> None:
    """Else Python would try to write what is left once more at its end, and stumble."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
