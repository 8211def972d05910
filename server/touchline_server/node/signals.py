"""SIGTERM, Ctrl-C and SIGHUP: how they end a server, or have it read its configuration again.

SIGHUP has two senders. An operator, or a service manager, asks for a reload by it. The kernel sends it when a terminal
is closed, and whoever closes one expects what runs there to end.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from threading import Thread
from types import FrameType
from typing import TypeAlias

from touchline_cli.start import end_on_signals, has_terminal, noted_signals

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that stop a server: SIGHUP only if there is nothing to reload, or its terminal is gone."""

ENDING = (signal.SIGTERM, signal.SIGINT)
"""Signals of which a second one ends the process at once."""

LAST_REPORT_S = 0.5
"""How long that end may wait for its report. The report takes a millisecond, unless stderr is not read."""

Report: TypeAlias = Callable[[signal.Signals], None]


def stop_on_signals(
    report: Report,
    report_second: Report,
    *,
    reload: Callable[[], object] | None = None,
    before_end: Callable[[], None] | None = None,
) -> asyncio.Event:
    """An event that any of the signals in `STOPPING` sets. ``report`` is called with the signal.

    SIGHUP calls ``reload`` instead, if there is one, unless it comes from the process's terminal that was closed.
    ``before_end``, if there is one, is called before a second signal ends the process.

    A second SIGTERM or Ctrl-C is given to ``report_second``, and ends the process as if there were no handler. A second
    SIGHUP does nothing: the kernel and the shell may both send one when a terminal closes. A signal that is ignored
    when the process starts stays ignored: that is what nohup does to SIGHUP.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    had_terminal = has_terminal()
    handled = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]

    def on_signal(received: signal.Signals) -> None:
        if received is signal.SIGHUP and reload is not None and has_terminal() == had_terminal:
            reload()
            return
        report(received)
        for number in handled:
            if number is signal.SIGHUP:
                loop.add_signal_handler(number, lambda: None)
            else:
                loop.remove_signal_handler(number)
                signal.signal(number, _end_after(report_second, before_end))
        stop.set()

    for number in handled:
        loop.add_signal_handler(number, on_signal, number)
    for number in noted_signals():
        on_signal(number)
    return stop


def _end_after(report: Report, before_end: Callable[[], None] | None) -> Callable[[int, FrameType | None], None]:
    """A handler that ends the process after ``report``, also while the event loop is busy."""

    def end(number: int, _frame: FrameType | None) -> None:
        end_on_signals(ENDING)  # a third one does not wait
        if before_end is not None:
            before_end()
        # In a thread: whatever was interrupted here may hold a lock that the report needs, and then there is none.
        reporting = Thread(target=report, args=(signal.Signals(number),), daemon=True)
        reporting.start()
        reporting.join(LAST_REPORT_S)
        os.kill(os.getpid(), number)

    return end


async def run_until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Run ``work`` to its end, or cancel it when ``stop`` is set; returns whether it reached its end."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in (working, stopping):
        task.cancel()
    await asyncio.wait([working, stopping])
    if working.cancelled():
        return False
    working.result()
    return True
