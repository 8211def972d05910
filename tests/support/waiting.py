"""Waiting for what comes true by itself, and has no event of its own."""

import asyncio
from collections.abc import Callable

DEADLINE_S = 60.0
"""For what has to happen at once: only a failing test waits that long, on a machine that does other things as well."""

POLL_S = 0.005


async def eventually(condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
    """Wait until ``condition()`` is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(POLL_S)
