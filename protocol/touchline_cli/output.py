"""Standard output and standard error, which can be closed, full, or gone, and in any encoding.

Rules:

1. A command whose result cannot be printed ends: quietly if nobody reads it any more, with an error otherwise.
2. A server goes on without the lines that it prints for information only: `say` drops them.
3. Nothing that is written to standard error ever fails.
"""

import contextlib
import io
import os
import select
import sys
from typing import Any, TextIO

from touchline_protocol.errors import OperatorError

_ENCODING_ERRORS = "backslashreplace"
"""A character that the terminal's encoding does not have is shown as an escape."""


class ReaderGone(Exception):
    """The reader of stdout closed it: the command is done."""


def write_line(line: bytes) -> None:
    """Print a line of the command's result.

    Raises:
        ReaderGone: nobody reads any more.
        OperatorError: the line cannot be written, for example because the disk is full.
    """
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def write_text(line: str) -> None:
    """Print a line of the command's result, in the encoding of the terminal.

    Raises:
        ReaderGone, OperatorError: as in `write_line`.
    """
    write_line(line.encode(sys.stdout.encoding, _ENCODING_ERRORS))


def say(line: str) -> None:
    """Print a line that a server can do without."""
    with contextlib.suppress(ReaderGone, OperatorError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def use_checked_streams() -> None:
    """Make sure that the process has its three standard streams, and that their failures are those of this module."""
    missing = [fd for fd in range(3) if not _is_open(fd)]
    for _ in missing:
        os.open(os.devnull, os.O_RDONLY)  # takes the lowest free number; writing to it fails, as to a closed one
    if sys.stdin is None or 0 in missing:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stdout = _stream(sys.stdout, _Descriptor(1, result=True), line_buffering=False)
    sys.stderr = _stream(sys.stderr, _Descriptor(2, result=False), line_buffering=True)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _stream(replaced: TextIO | None, descriptor: "_Descriptor", *, line_buffering: bool) -> io.TextIOWrapper:
    """A text stream on ``descriptor``, in the encoding of the stream that it replaces."""
    encoding = replaced.encoding if replaced is not None else "utf-8"
    is_terminal = descriptor.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(descriptor), encoding, _ENCODING_ERRORS, line_buffering=line_buffering or is_terminal
    )


class _Descriptor(io.RawIOBase):
    """Writes to a descriptor. After the first failure everything else is discarded, so that it is reported once."""

    def __init__(self, fd: int, *, result: bool) -> None:
        self._fd = fd
        self._result = result
        self._failed = False

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        while not self._failed:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # another process that shares the pipe made it non-blocking
                select.select([], [self._fd], [])
            except OSError as error:
                self._failed = True
                if self._result:
                    raise _failure(error) from None
        return len(memoryview(data).cast("B"))


def _failure(error: OSError) -> ReaderGone | OperatorError:
    if isinstance(error, BrokenPipeError):
        return ReaderGone()
    return OperatorError(f"cannot write the output: {error.strerror}")
