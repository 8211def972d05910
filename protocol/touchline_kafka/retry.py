"""What a client does while Kafka is away: pauses between tries, fewer repeated log lines, failures nobody waits for."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0
"""A broker takes seconds to restart, and 2 s more of absence do little harm."""

SLOW_S = 1.0
"""A connection takes milliseconds. A user who has waited this long wants to know why."""

LOG_EVERY_S = 10.0
"""aiokafka logs every failed try. We report the same, so one line in this time is enough."""

_LOGGERS = ("aiokafka", "aiokafka.conn")
_log = logging.getLogger("touchline.kafka")


class Retry:
    """Waits between tries: each wait is twice as long as the one before it, up to `RETRY_MAX_S`."""

    def __init__(self) -> None:
        self._next_s = RETRY_FIRST_S

    async def wait(self) -> None:
        """Sleep before the next try."""
        delay_s, self._next_s = self._next_s, min(self._next_s * 2, RETRY_MAX_S)
        await asyncio.sleep(delay_s)

    def reset(self) -> None:
        """A try succeeded: the next wait is the shortest again."""
        self._next_s = RETRY_FIRST_S


@contextmanager
def reported_if_slow(message: Callable[[], str]) -> Iterator[None]:
    """Log ``message()`` as a warning if the block takes longer than `SLOW_S`. Needs a running loop."""
    handle = asyncio.get_running_loop().call_later(SLOW_S, lambda: _log.warning("%s", message()))
    try:
        yield
    finally:
        handle.cancel()


class OncePerInterval(logging.Filter):
    """Lets a log message pass once per interval, whatever its arguments."""

    def __init__(self, interval_s: float = LOG_EVERY_S) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._passed_at: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        return self.allows(record.msg)

    def allows(self, message: object) -> bool:
        """Whether the message may pass now."""
        now = time.monotonic()
        if now - self._passed_at.get(message, -self._interval_s) < self._interval_s:
            return False
        self._passed_at[message] = now
        return True


def throttle_logs() -> None:
    """Let aiokafka repeat a log message only every `LOG_EVERY_S`. May be called any number of times."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, OncePerInterval) for one in logger.filters):
            logger.addFilter(OncePerInterval())


def retrieve(future: asyncio.Future[Any]) -> None:
    """Look at a failure that nobody waits for any more, or asyncio would log it. A callback for futures."""
    if not future.cancelled():
        future.exception()
