"""Lines on standard output: of JSON for programs, or of text."""

import os
import sys
from typing import Any

from touchline_protocol.errors import OperatorError


class OutputClosed(Exception):
    """The reader of standard output closed it, so the command is done."""


def write_json_line(line: dict[str, Any]) -> None:
    """Write a line of JSON; see `write_line`."""
    import msgspec  # noqa: PLC0415 - see the package

    _write(msgspec.json.encode(line))


def write_line(text: str) -> None:
    """Write a line of text. A slow reader holds up all judging, and one that has gone ends it.

    Raises:
        OutputClosed: nobody reads any more.
        OperatorError: the line cannot be written, for example to a full disk.
    """
    _write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def _write(line: bytes) -> None:
    try:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    except OSError as error:
        # Otherwise Python would try to write what is left once more when it exits, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from None
        raise OperatorError(f"the output cannot be written: {error.strerror}") from None
