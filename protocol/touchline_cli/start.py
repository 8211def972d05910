"""How a command starts and ends, in whatever environment it was started.

Rules:

1. A signal ends a command quietly at any time, also while it imports its modules. A command that has
   something to do first installs its own handler; `end_on_signals` puts ours back.
2. The descriptors 0, 1 and 2 are open. Otherwise the next socket or database file would get one of those numbers, and
   whatever a library prints would end up in it.
3. Printing never fails for reasons of encoding.

Imports little, since the interpreter itself reports a signal that arrives before `start` has begun, by a traceback.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
"""The exit code after Ctrl-C, as in shells."""


def start(command: Callable[[], int]) -> None:
    """Run ``command`` and exit with the code that it returns."""
    end_on_signals()
    from .output import use_checked_streams  # noqa: PLC0415 - see above

    use_checked_streams()
    try:
        code = command()
    except KeyboardInterrupt:  # from an event loop, which restores Python's own handler
        code = INTERRUPTED
    end_on_signals()  # Ctrl-C while the interpreter cleans up is quiet, too
    sys.exit(code)


def end_on_signals(numbers: Iterable[signal.Signals] = (signal.SIGINT, signal.SIGTERM)) -> None:
    """End the process at once when one of the signals arrives. One that is ignored, as under nohup, stays ignored."""
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(128 + number)  # also where the default action has no effect: in a container's first process
