"""Waiting for conditions that become true by themselves, without an event to wait for."""

import asyncio
from collections.abc import Callable

DEADLINE_S = 60.0
"""The time limit for anything that should happen at once. Only a failing test waits this long."""

POLL_S = 0.005


async def eventually(condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
    """Wait until ``condition()`` is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(POLL_S)
