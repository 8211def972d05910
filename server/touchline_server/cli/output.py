"""What a command prints as its result: lines on stdout, flushed one by one."""

import os
import sys

from touchline_protocol.errors import OperatorError


class ReaderGone(Exception):
    """The reader of stdout closed it: the command is done."""


def write_line(line: bytes) -> None:
    """Write one line.

    Raises:
        ReaderGone: nobody reads any more.
        OperatorError: the line cannot be written, for example because the disk is full.
    """
    try:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _discard_the_rest()
        raise ReaderGone from None
    except OSError as error:
        _discard_the_rest()
        raise OperatorError(f"cannot write the output: {error.strerror}") from None


def _discard_the_rest() -> None:
    """Without this, Python would try to flush the buffer again at exit, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
