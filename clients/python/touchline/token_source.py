"""Where tokens come from: the one that the user gave, or a function of the user's that is called for each.

Rule: anything that goes wrong in the function is a `TokenUnavailable`. The client treats it like a server that cannot
be reached: an error at the first connection, another attempt later.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from touchline_protocol.limits import TOKEN_CHARS_MAX

from .errors import TokenUnavailable

TokenFunction: TypeAlias = Callable[[], str | Awaitable[str]]

TOKEN_S_MAX = 30.0
"""How long an asynchronous function may take. It may ask another service, which may have to sign somebody in."""


class TokenSource:
    """The tokens of one client. ``can_renew``: each call of `get` may return a newer one.

    Raises:
        ValueError: ``token`` is neither a valid token nor a function.
    """

    def __init__(self, token: str | TokenFunction | None) -> None:
        self.can_renew = callable(token)
        self._token = token
        if isinstance(token, str):
            _check(token)
        elif token is not None and not callable(token):
            raise ValueError(f"token must be a string, or a function that returns one, not {type(token).__name__}")

    async def get(self) -> str | None:
        """The token to use now; None if the client has none.

        Raises:
            TokenUnavailable: the function raised, took too long, or returned no valid token.
        """
        if self._token is None or isinstance(self._token, str):
            return self._token
        try:
            async with asyncio.timeout(TOKEN_S_MAX):
                token = self._token()
                if inspect.isawaitable(token):
                    token = await token
            _check(token)
        except Exception as error:  # the user's function may raise anything
            raise TokenUnavailable(
                f"the function given as token failed: {str(error) or type(error).__name__}"
            ) from error
        return token


def _check(token: object) -> None:
    if not isinstance(token, str) or not 1 <= len(token) <= TOKEN_CHARS_MAX:
        what = f"{len(token)} characters" if isinstance(token, str) else type(token).__name__
        raise ValueError(f"a token must be a string of 1 to {TOKEN_CHARS_MAX} characters, not {what}")
