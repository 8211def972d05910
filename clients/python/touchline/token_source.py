"""Where the tokens come from: one that the user gave, or a function of the user's that is asked for each.

Rule: whatever goes wrong with the function is a `TokenUnavailable`, so the client decides about it as about a server
that cannot be reached: an error at the first connection, another try later on.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from touchline_protocol.limits import TOKEN_CHARS_MAX

from .errors import TokenUnavailable

TokenFunction: TypeAlias = Callable[[], str | Awaitable[str]]

TOKEN_S_MAX = 30.0
"""For an asynchronous function to return: it may ask another service, which may have to sign somebody in."""


class TokenSource:
    """The tokens of a client. ``can_renew``: each call of `get` may bring a newer one.

    Raises:
        ValueError: ``token`` is a text that is no token.
    """

    def __init__(self, token: str | TokenFunction | None) -> None:
        self.can_renew = callable(token)
        self._token = token
        if isinstance(token, str):
            _check(token)
        elif token is not None and not callable(token):
            raise ValueError(f"token is a text, or a function that returns one, not of type {type(token).__name__}")

    async def get(self) -> str | None:
        """The token to use now.

        Raises:
            TokenUnavailable: the function raised, took too long, or returned no token.
        """
        if self._token is None or isinstance(self._token, str):
            return self._token
        try:
            async with asyncio.timeout(TOKEN_S_MAX):
                token = self._token()
                if inspect.isawaitable(token):
                    token = await token
            _check(token)
        except Exception as error:  # whatever a user's function raises
            raise TokenUnavailable(
                f"the function given as token failed: {str(error) or type(error).__name__}"
            ) from error
        return token


def _check(token: object) -> None:
    if not isinstance(token, str) or not 1 <= len(token) <= TOKEN_CHARS_MAX:
        what = f"a text of {len(token)} characters" if isinstance(token, str) else f"of type {type(token).__name__}"
        raise ValueError(f"a token is a text of 1 to {TOKEN_CHARS_MAX} characters, not {what}")
