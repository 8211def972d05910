"""Runs a command's work on an event loop, until it is done, interrupted, or nobody reads its output any more."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Coroutine
from typing import TypeVar

from .output import ReaderGone
from .start import end_on_signals

Result = TypeVar("Result")


def run_to_end(work: Coroutine[None, None, Result]) -> Result:
    """Run ``work``. Ctrl-C cancels it, and it closes what it has open; a second Ctrl-C does not wait for that.

    `asyncio.run` alone is not enough: the loop does not hear of its signal handler, so a signal that arrives just
    before the loop goes to sleep waits until something else wakes it. In a quiet room that is the next heartbeat.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    interrupted = False

    async def interruptible() -> Result:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            loop.remove_signal_handler(signal.SIGINT)
            end_on_signals()
            task.cancel()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        return await task

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise


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
