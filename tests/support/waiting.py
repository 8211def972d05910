"""Waiting for what comes true by itself, and has no event of its own."""

import asyncio
from collections.abc import Callable

DEADLINE_S = 60.0
"""How long to wait for anything that should happen at once. Only a failing test waits that long."""

POLL_S = 0.005


async def eventually(condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
    """Wait until ``condition()`` is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(POLL_S)
