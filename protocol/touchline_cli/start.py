"""How a command starts and ends, in whatever environment it was started.

Rules:

1. A signal ends a command quietly at any time, also while it imports its modules. A command that has
   something to do first installs its own handler; `end_on_signals` puts ours back. A server notes signals
   (`note_signals`) until it has imported what it stops, or reloads, with.
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

_noted: list[signal.Signals] = []
"""Signals that arrived while nobody could act on them."""

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


def note_signals(numbers: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGHUP)) -> None:
    """Keep the first of each of these signals for `noted_signals`, instead of ending the process by it.

    A second SIGTERM ends it at once, and so does the end of the terminal.
    """
    had_terminal = has_terminal()

    def note(number: int, frame: FrameType | None) -> None:
        received = signal.Signals(number)
        is_last = received is not signal.SIGHUP and received in _noted
        if is_last or (received is signal.SIGHUP and had_terminal and not has_terminal()):
            signal.signal(number, signal.SIG_DFL)
            _end(number, frame)
        if received not in _noted:
            _noted.append(received)

    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, note)


def noted_signals() -> list[signal.Signals]:
    """The signals that were noted, in their order. Call this once the handlers that act on them are installed."""
    noted = _noted.copy()
    _noted.clear()
    return noted


def has_terminal() -> bool:
    """Whether the process has a controlling terminal: not in a container, under systemd, or once it was closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _end(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(128 + number)  # also where the default action has no effect: in a container's first process
