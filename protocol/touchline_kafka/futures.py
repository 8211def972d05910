"""Futures that perhaps nobody waits for."""

import asyncio
from typing import Any


def retrieve(future: asyncio.Future[Any]) -> None:
    """Look at a failure that nobody waits for any more, or asyncio would log it. A callback for futures."""
    if not future.cancelled():
        future.exception()
