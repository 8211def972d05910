"""Calls a token provider, and keeps its token until it should be renewed.

Rules:

1. Connections that are opened at once share one call of the provider. There is never more than one under way, also if
   it hangs.
2. A provider that blocks is called in a thread of its own, which does not keep the process from ending.
3. Nobody waits longer than `DEADLINE_S`. A token that is to be renewed is used for as long as it is valid.
"""

import asyncio
import contextlib
import inspect
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from touchline_kafka.retry import retrieve
from touchline_protocol.errors import OperatorError

from .tokens import Token, TokenProvider, TokenRefused, TokenUnavailable

DEADLINE_S = 10.0
"""How long a provider may take: several round trips to an identity provider. A broker drops a connection that is silent
for longer."""
RENEW_SHARES = (0.7, 0.85)
"""A token is renewed after a share of its life that is chosen between these, so that a fleet does not renew at once."""
BUGS = (TypeError, AttributeError, NameError, ImportError, AssertionError, NotImplementedError)
"""Exceptions that repeat themselves however often a provider is called."""

_log = logging.getLogger("touchline.kafka")


class TokenSource(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """The tokens of a provider. ``name`` is what an operator calls it."""

    def __init__(self, provider: TokenProvider, name: str, *, deadline_s: float = DEADLINE_S) -> None:
        self._provider = provider
        self._name = name
        self._deadline_s = deadline_s
        self._token: Token | None = None
        self._renew_at_s = 0.0
        self._call: asyncio.Task[Token] | None = None

    async def token(self) -> str:
        """See `AbstractTokenProvider.token`."""
        return (await self.current()).value

    async def current(self) -> Token:
        """A token that is valid now.

        Raises:
            TokenRefused: there is none until an operator acts.
            TokenUnavailable: there is none now.
        """
        now_s = time.time()
        if self._token is not None and now_s < self._renew_at_s:
            return self._token
        try:
            return await self._renewed()
        except (TokenRefused, TokenUnavailable) as error:
            if self._token is None or time.time() >= self._token.expires_s:
                raise
            _log.warning("the token for Kafka is still valid, but cannot be renewed: %s", error.args[0])
            return self._token

    def reject(self, token: Token) -> None:
        """The broker does not accept this token: the next connection needs another one."""
        if self._token is token:
            self._token = None

    async def _renewed(self) -> Token:
        if self._call is None or self._call.done():
            self._call = asyncio.create_task(self._called(), name="kafka-token")
            self._call.add_done_callback(retrieve)
        try:
            async with asyncio.timeout(self._deadline_s):
                token = await asyncio.shield(self._call)
        except TimeoutError as error:
            raise TokenUnavailable(f"{self._name} has not returned a token for {self._deadline_s:g} s") from error
        return token

    async def _called(self) -> Token:
        try:
            given = await self._ask()
        except (OperatorError, TokenRefused) as error:
            raise TokenRefused(f"{self._name} has no token: {error.args[0] if error.args else error}") from error
        except BUGS as error:
            raise TokenRefused(f"{self._name} fails with {type(error).__name__}: {error}") from error
        except Exception as error:  # whatever a provider raises
            raise TokenUnavailable(f"{self._name} fails with {type(error).__name__}: {error}") from error
        return self._keep(given)

    def _keep(self, given: object) -> Token:
        if not isinstance(given, Token):
            raise TokenRefused(f"{self._name} must return a Token, and returned a {type(given).__name__}")
        if problem := given.problem():
            raise TokenRefused(f"{self._name} cannot be used: {problem}")
        now_s = time.time()
        left_s = given.expires_s - now_s
        if left_s <= 0:
            raise TokenUnavailable(f"{self._name} returned a token that expired {-left_s:.0f} s ago: check the clocks")
        self._token = given
        self._renew_at_s = now_s + left_s * random.uniform(*RENEW_SHARES)  # noqa: S311 - not a secret
        _log.debug("%s returned a token of %s that is valid for %.0f s", self._name, given.principal, left_s)
        return given

    async def _ask(self) -> Any:
        is_coroutine = any(inspect.iscoroutinefunction(one) for one in (self._provider, type(self._provider).__call__))
        given = self._provider() if is_coroutine else await _in_thread(self._provider)
        return await given if isinstance(given, Awaitable) else given


async def _in_thread(call: Callable[[], Any]) -> Any:
    """Call in a daemon thread. The loop's own executor would wait for one that hangs when the process ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result: Any = None
        problem: Exception | None = None
        try:
            result = call()
        except StopIteration as error:  # no future can hold it
            problem = RuntimeError(f"StopIteration: {error}")
        except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name="kafka-token", daemon=True).start()
    return await future
