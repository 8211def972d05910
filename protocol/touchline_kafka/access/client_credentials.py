"""Tokens by the OAuth 2.0 client-credentials grant (RFC 6749, 4.4), from any identity provider.

The standard library makes the request: the extra `kafka` brings no HTTP client, and one small request an hour needs
none.
"""

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from .tokens import Token, TokenRefused

TIMEOUT_S = 8.0
"""Less than `token_source.DEADLINE_S`, so that the reason for a failure is known."""
ANSWER_BYTES_MAX = 1 << 20
LIFETIME_S = 300.0
"""The life of a token whose answer does not say how long it is valid."""
_RETRIED = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_REASON_CHARS_MAX = 200


class ClientCredentials:
    """A provider of tokens from the token endpoint at ``url``."""

    def __init__(
        self, url: str, client_id: str, client_secret: str, *, scope: str | None = None, extensions: Mapping[str, str]
    ) -> None:
        self._client_id = client_id
        self._extensions = dict(extensions)
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        # RFC 6749, 2.3.1: both are form-encoded before they become a user and a password.
        user = ":".join(urllib.parse.quote_plus(part) for part in (client_id, client_secret))
        self._request = urllib.request.Request(  # noqa: S310 - `Security` demands http or https
            url,
            data=urllib.parse.urlencode(form).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(user.encode()).decode(),
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
        )

    def __call__(self) -> Token:
        """Ask for a token. Blocks.

        Raises:
            TokenRefused: the identity provider does not know the client, or the request is wrong.
            OSError, ValueError: it did not answer, or not with a token.
        """
        asked_s = time.time()
        try:
            with urllib.request.urlopen(self._request, timeout=TIMEOUT_S) as response:  # noqa: S310 - see above
                answer = json.loads(response.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                text = f"{self._request.full_url} answered {error.code}: {_reason(error.read(ANSWER_BYTES_MAX))}"
            if HTTPStatus.BAD_REQUEST <= error.code < HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in _RETRIED:
                raise TokenRefused(text) from None
            raise OSError(text) from None
        return self._token(answer, asked_s)

    def _token(self, answer: Any, asked_s: float) -> Token:
        value = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(value, str):
            raise ValueError(f"{self._request.full_url} answered without an access_token")
        lives_s = answer.get("expires_in")
        lives_s = float(lives_s) if isinstance(lives_s, int | float | str) else LIFETIME_S
        return Token(value, asked_s + lives_s, self._client_id, self._extensions)


def _reason(body: bytes) -> str:
    """What an error answer says: RFC 6749, 5.2. Never the request, which holds the secret."""
    try:
        answer = json.loads(body)
        parts = [answer[name] for name in ("error", "error_description") if name in answer]
    except (ValueError, TypeError):
        parts = []
    return ": ".join(str(part) for part in parts)[:_REASON_CHARS_MAX] or "no reason given"
