"""Runs a command's coroutine so that Ctrl-C ends it at once, wherever it is."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run_to_end(work: Coroutine[None, None, Result]) -> Result:
    """Run ``work`` to its end; at Ctrl-C it is cancelled and closes what it has open. A second Ctrl-C does not wait.

    Not `asyncio.run` alone: its handler is not told to the loop, so a signal that comes just before the loop goes to
    sleep waits until something else wakes it, which in a quiet room is the next heartbeat.

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
            task.cancel()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        return await task

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
