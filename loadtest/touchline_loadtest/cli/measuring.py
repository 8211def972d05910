"""How commands run their measurements: on uvloop, until they are done, fail, or are interrupted."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TypeVar

import httpx
import uvloop

from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.measure.processes import ProcessFailed
from touchline_loadtest.rig.child import ChildFailed

from .exit_codes import Failed

Found = TypeVar("Found")


def run_measurement(work: Coroutine[None, None, Found]) -> Found:
    """Run ``work``. SIGTERM ends it as Ctrl-C does, and with it the servers that it has started.

    Raises:
        Failed: the measurement failed.
        KeyboardInterrupt: it was interrupted.
    """

    async def cancellable() -> Found:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return uvloop.run(cancellable())
    except (ChildFailed, ClientsFailed, ProcessFailed, httpx.HTTPError) as error:
        raise Failed(str(error) or type(error).__name__) from error
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
