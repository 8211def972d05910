"""SASL OAUTHBEARER, the client's side (RFC 7628), in place of aiokafka's.

aiokafka's takes a refusal for a success: the broker first answers with its reason, as JSON, and waits for a byte of
the client before it refuses. Whatever is sent next would be taken for that byte, and the connection be closed.
"""

from aiokafka.conn import BaseSaslAuthenticator

from .login import REASON_CHARS_MAX
from .token_source import TokenSource
from .tokens import Token, TokenRefused

MECHANISM = "OAUTHBEARER"
_CONSENT = b"\x01"


class OAuthAuthenticator(BaseSaslAuthenticator):  # type: ignore[misc]  # aiokafka has no types
    """Sends a token of ``source``. One for each connection."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token: Token | None = None
        self._reason = ""

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        """The next message for the broker, and whether it answers; None once it has accepted the token."""
        if self._token is None:
            self._token = await self._source.current()
            return client_first(self._token), True
        if not payload:
            return None
        self._reason = payload.decode("utf-8", "replace")[:REASON_CHARS_MAX]
        return _CONSENT, True

    def refused(self, error: Exception) -> TokenRefused:
        """The broker has refused the token with this error."""
        if self._token is not None:
            self._source.reject(self._token)
        whose = f" of {self._token.principal}" if self._token and self._token.principal else ""
        why = self._reason or ", ".join(str(part) for part in error.args) or "no reason given"
        return TokenRefused(f"it does not accept the token{whose}: {why}")


def client_first(token: Token) -> bytes:
    """The first message of a client."""
    extensions = "".join(f"\x01{name}={value}" for name, value in token.extensions.items())
    return f"n,,\x01auth=Bearer {token.value}{extensions}\x01\x01".encode()
