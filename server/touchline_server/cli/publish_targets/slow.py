"""Says what a command waits for, if it takes long: an address that nobody answers at is silent for seconds."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

SLOW_S = 1.0
"""A server in the next room answers within milliseconds, one on another continent within a second."""

logger = logging.getLogger("touchline.cli")


@contextmanager
def noted_if_slow(url: str) -> Iterator[None]:
    """Log that the command waits for the server at ``url``, without a password in it, if the block takes long."""
    address = urlsplit(url).netloc.rpartition("@")[2]
    handle = asyncio.get_running_loop().call_later(SLOW_S, logger.warning, "waiting for %s to answer", address)
    try:
        yield
    finally:
        handle.cancel()
