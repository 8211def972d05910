"""SIGTERM, Ctrl-C and SIGHUP: how they end a server."""

import asyncio
import signal
from collections.abc import Callable, Coroutine

from touchline_cli.start import end_on_signals

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that stop a server. SIGHUP comes from a terminal that closes. There is nothing that it could reload: settings
are read once, and a service manager that sends it gets a stop in order, and starts the server again."""


def stop_on_signals(report: Callable[[signal.Signals], None]) -> asyncio.Event:
    """An event that any of the signals in `STOPPING` sets. ``report`` is called with the signal.

    A second SIGTERM or Ctrl-C ends the process as if there were no handler. A second SIGHUP does nothing: the kernel
    and the shell may both send one when a terminal closes. A signal that is ignored when the process starts stays
    ignored: that is what nohup does to SIGHUP.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    handled = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]

    def on_signal(received: signal.Signals) -> None:
        report(received)
        for number in handled:
            if number is signal.SIGHUP:
                loop.add_signal_handler(number, lambda: None)
            else:
                loop.remove_signal_handler(number)
        end_on_signals()
        stop.set()

    for number in handled:
        loop.add_signal_handler(number, on_signal, number)
    return stop


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
