"""Tokens for players, signed with the secret that the server under test verifies them with. Pure."""

from collections.abc import Sequence

import jwt

ALGORITHM = "HS256"
LIFE_S = 3600
"""Shorter than a long run, so that tokens are refreshed in it, as they are in production."""


class TokenSigner:
    """Signs tokens. ``audience`` and ``issuer`` are those that the server asks for; None leaves them out."""

    def __init__(
        self, secret: str, *, audience: str | None = None, issuer: str | None = None, life_s: int = LIFE_S
    ) -> None:
        self._secret = secret
        self._claims = {name: value for name, value in (("aud", audience), ("iss", issuer)) if value is not None}
        self._life_s = life_s

    def sign(self, player: str, *, rooms: Sequence[str], act: Sequence[str], now_s: int) -> str:
        """A token with which ``player`` may watch ``rooms`` and act in those of ``act``."""
        claims = {"sub": player, "iat": now_s, "exp": now_s + self._life_s, "rooms": rooms, "act": act}
        return jwt.encode(claims | self._claims, self._secret, ALGORITHM)
