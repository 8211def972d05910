"""Holds the stores to what their ports say they raise, so that nothing in Redis can end a process.

Other versions of Touchline, and people, can write to the keys that the stores read. An answer that a store cannot
understand is therefore not a bug of its caller: it is a refusal, which operators see in ``/readyz``.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import structlog

from touchline_protocol.errors import StoreRefused, TouchlineError
from touchline_server.core.room_keeping import Moved

P = ParamSpec("P")
T = TypeVar("T")
Store = TypeVar("Store", bound=type)

logger = structlog.get_logger("touchline.store")


def raises_store_errors(store: Store) -> Store:
    """A class decorator: the public coroutine methods raise `StoreRefused` instead of an error that no port names."""
    for name, method in list(vars(store).items()):
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            setattr(store, name, only_store_errors(method))
    return store


def only_store_errors(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """The same for one coroutine method."""
    logged: set[type[Exception]] = set()  # a line each time would be several a second

    @functools.wraps(method)
    async def held(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except (TouchlineError, Moved):
            raise
        except Exception as error:
            why = f"an answer of Redis cannot be used ({type(error).__name__}: {error})"
            if type(error) not in logged:
                logged.add(type(error))
                logger.error("store_answer_unusable", why=why, exc_info=error)
            cure = "give each version of Touchline a redis.prefix of its own, or remove the keys"
            raise StoreRefused(f"{why}: {cure}") from error

    return held
