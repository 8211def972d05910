"""Runs a command's work on an event loop, until it is done, interrupted, or nobody reads its output any more."""

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, TypeVar

from .output import ReaderGone
from .start import end_on_signals

Result = TypeVar("Result")


def run_to_end(
    work: Coroutine[Any, Any, Result],
    *,
    numbers: Sequence[signal.Signals] = (signal.SIGINT,),
    run: Callable[[Coroutine[Any, Any, Result]], Result] = asyncio.run,
    first_interrupt: Callable[[], None] | None = None,
) -> Result:
    """Run ``work``. Ctrl-C cancels it, and it closes what it has open; a second Ctrl-C does not wait for that.

    `asyncio.run` alone is not enough: the loop does not hear of its signal handler, so a signal that arrives just
    before the loop goes to sleep waits until something else wakes it. In a quiet room that is the next heartbeat.

    ``numbers`` are the signals that cancel, and ``run`` runs the loop. If there is a ``first_interrupt``, the first
    Ctrl-C calls it and cancels nothing.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    interrupted, regular_end = False, first_interrupt

    async def interruptible() -> Result:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)

        def interrupt(number: signal.Signals) -> None:
            nonlocal interrupted, regular_end
            if number is signal.SIGINT and regular_end is not None:
                regular_end()
                regular_end = None
                return
            interrupted = True
            for each in numbers:
                loop.remove_signal_handler(each)
            end_on_signals()
            task.cancel()

        for each in numbers:
            loop.add_signal_handler(each, interrupt, each)
        return await task

    before = _handlers(numbers)
    try:
        return run(interruptible())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        if not interrupted:  # a loop leaves the system's own handlers behind
            _restore(before)


@contextlib.contextmanager
def unwinding_on_signals(numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)) -> Iterator[None]:
    """Let a signal raise `KeyboardInterrupt` in the block, so that what is open is closed; a second one does not wait.

    For a part of a command that starts programs, or creates folders, without a loop. It imports nothing: an exception
    in the middle of an import may be lost.
    """
    before = _handlers(numbers)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        end_on_signals(numbers)
        raise KeyboardInterrupt

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        _restore(before)


def _handlers(numbers: Sequence[signal.Signals]) -> Mapping[signal.Signals, Any]:
    return {number: signal.getsignal(number) for number in numbers}


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


async def while_read(work: Coroutine[None, None, None]) -> None:
    """Run ``work``, which prints as things happen, for as long as somebody reads it.

    A write fails when the reader is gone, but in a quiet room nothing is written. So the pipe is watched too.

    Raises:
        ReaderGone: nobody reads any more.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    is_gone = False

    def gone() -> None:
        nonlocal is_gone
        is_gone = True
        loop.remove_reader(output)
        task.cancel()

    output = sys.stdout.fileno()
    is_pipe = stat.S_ISFIFO(os.fstat(output).st_mode)
    if is_pipe:  # the end for writing becomes readable when the other end is closed, and never before
        loop.add_reader(output, gone)
    try:
        await task
    except asyncio.CancelledError:
        if is_gone:
            raise ReaderGone from None
        task.cancel()
        raise
    finally:
        if is_pipe:
            loop.remove_reader(output)
