"""Keeps published keys fresh: reads the key set again and again, in the background.

Every ``refresh_s`` seconds, and soon after a token named a key that is not known; but never sooner than ``spacing_s``
after the last time, so that strangers with made-up names cannot have us hammer the issuer. What cannot be read leaves
the keys as they are: an issuer that is away must not lock everybody out.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from touchline_protocol.errors import OperatorError

from .jwks import JwksSource, KeySet
from .keys import Key

SPACING_S = 5.0
"""Between two reads of the key set, at the least."""
RETRY_S = 15.0
"""After a read that failed, unless it is read more often anyway."""

logger = logging.getLogger("touchline.auth")


class Rotation:
    """Reads ``source``, and hands its keys to ``publish``."""

    def __init__(
        self,
        source: JwksSource,
        publish: Callable[[Sequence[Key]], None],
        *,
        refresh_s: float,
        spacing_s: float = SPACING_S,
    ) -> None:
        self.problem: str | None = None
        """Why the last read failed; None where it did not."""
        self._source = source
        self._publish = publish
        self._refresh_s = refresh_s
        self._spacing_s = spacing_s
        self._asked = asyncio.Event()
        self._passed_over: Sequence[str] = ()
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Somebody needs a key that is not known."""
        self._asked.set()

    async def start(self) -> None:
        """Read once, whatever comes of it, and go on in the background."""
        await self._refresh()
        self._task = asyncio.create_task(self._run(), name="jwks")

    async def stop(self) -> None:
        """End. May be called without a start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._source.close()

    def take(self, keys: KeySet) -> None:
        """Take over a set that was read."""
        if keys.passed_over != self._passed_over:
            for reason in keys.passed_over:
                logger.warning("auth.jwks: %s", reason)
        self._passed_over = keys.passed_over
        self._publish(keys.keys)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._spacing_s)
            wait_s = self._refresh_s if self.problem is None else min(self._refresh_s, RETRY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait_s - self._spacing_s)):
                    await self._asked.wait()
            self._asked.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            self.take(await self._source.fetch())
        except OperatorError as error:
            if str(error) != self.problem:
                logger.warning("%s; the keys stay as they are", error)
            self.problem = str(error)
        else:
            if self.problem is not None:
                logger.info("auth.jwks is read again")
            self.problem = None
