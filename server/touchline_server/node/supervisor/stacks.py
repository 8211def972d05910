"""Where a worker's threads were when it hung or crashed: it writes that down, and its supervisor reads it.

The file is in memory. One on the disk could be what the worker waits for, and stderr is lines that programs read.
"""

import faulthandler
import os
import signal

STACKS_SIGNAL = signal.SIGUSR2
"""Has a worker write down the stacks of its threads, whatever they do, and end."""
STACKS_BYTES_MAX = 64 * 1024
"""What is read of a file: a dozen threads, with fifty lines of a hundred bytes each."""


def write_stacks_to(fd: int) -> None:
    """Have this process write its stacks to ``fd`` if it crashes, or if it gets `STACKS_SIGNAL`.

    The process ends with that, by the signal's own action. The handlers are C code, which runs even if Python does not.
    """
    faulthandler.enable(fd)
    faulthandler.register(STACKS_SIGNAL, fd, all_threads=True, chain=True)


class StacksFile:
    """A supervisor's file for the stacks of one worker. ``fd`` is passed on to its process."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("touchline-stacks")

    def read(self) -> str:
        """What was written; empty if the worker had no reason, or no time."""
        return os.pread(self.fd, STACKS_BYTES_MAX, 0).decode(errors="replace")

    def close(self) -> None:
        """Release the file."""
        os.close(self.fd)
