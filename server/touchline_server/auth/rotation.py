"""Keeps published keys fresh: reads the key set periodically, in the background.

It reads every ``refresh_s`` seconds, and soon after a token named an unknown key. It never reads sooner than
``spacing_s`` after the last time, so that strangers with invented key names cannot make us hammer the issuer. If the
set cannot be read, the keys stay as they are: an issuer that is down must not lock everybody out.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from touchline_protocol.errors import OperatorError
from touchline_server.config.tables import JWKS_SPACING_S

from .jwks import IgnoredKey, JwksSource, KeySet
from .keys import Key

RETRY_S = 15.0
"""When to read again after a failure, unless ``refresh_s`` is shorter."""

logger = structlog.get_logger("touchline.auth")


class Rotation:
    """Reads ``source`` and passes its keys to ``publish``."""

    def __init__(
        self,
        source: JwksSource,
        publish: Callable[[Sequence[Key]], None],
        *,
        refresh_s: float,
        spacing_s: float = JWKS_SPACING_S,
    ) -> None:
        self.problem: str | None = None
        """Why the last read failed; None if it succeeded."""
        self._source = source
        self._publish = publish
        self._refresh_s = refresh_s
        self._spacing_s = spacing_s
        self._wanted = asyncio.Event()
        self._ignored: Sequence[IgnoredKey] = ()
        self._task: asyncio.Task[None] | None = None

    def request(self) -> None:
        """Read soon: a token named an unknown key."""
        self._wanted.set()

    async def start(self) -> None:
        """Read once, whether that succeeds or not, and continue in the background."""
        await self._refresh()
        self._task = asyncio.create_task(self._run(), name="jwks")

    async def stop(self) -> None:
        """Stop. May be called without a start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._source.close()

    def apply(self, keys: KeySet) -> None:
        """Publish the keys of a set, and log once why each of the others is ignored."""
        for key in keys.ignored:
            if key not in self._ignored:
                log = logger.info if key.expected else logger.warning
                log("jwks_key_ignored", why=key.reason)
        self._ignored = keys.ignored
        self._publish(keys.keys)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._spacing_s)
            wait_s = self._refresh_s if self.problem is None else min(self._refresh_s, RETRY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait_s - self._spacing_s)):
                    await self._wanted.wait()
            self._wanted.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            self.apply(await self._source.fetch())
        except OperatorError as error:
            if str(error) != self.problem:
                logger.warning("jwks_read_failed", why=str(error))
            self.problem = str(error)
        else:
            if self.problem is not None:
                logger.info("jwks_read_again")
            self.problem = None
