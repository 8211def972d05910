"""Who the visitors are: names that are made up, and tokens for them, each for an hour."""

import secrets
import time
from collections.abc import Callable
from itertools import count

from touchline_server.auth.signing import player_claims, sign, signing_secret
from touchline_server.config.tables import AuthSettings
from touchline_server.core.grants import Grant, TokenRefused

from .settings import ACT_ROOMS, ROOMS

TOKEN_S = 3600
"""A page gets a new one a minute before; who slept through that comes back as somebody else."""

_HOW = ("brisk", "calm", "fair", "glad", "keen", "loud", "merry", "proud", "quick", "wild")
_WHO = ("badger", "falcon", "fox", "heron", "lynx", "otter", "panda", "raven", "seal", "wolf")


class TokenOffice:
    """Hands out tokens. ``verify`` is the server's own check of them."""

    def __init__(self, auth: AuthSettings, verify: Callable[[str, int], Grant]) -> None:
        assert auth.hs256_secret is not None  # noqa: S101 - `demo_settings` saw to that
        self._auth = auth
        self._key = signing_secret(auth.hs256_secret)
        self._verify = verify
        self._numbers = count(1)

    def new_player(self) -> str:
        """A name that nobody else has."""
        return f"{secrets.choice(_HOW)}-{secrets.choice(_WHO)}-{next(self._numbers)}"

    def player_of(self, token: str) -> str | None:
        """Whose token it is; None where it is none that counts."""
        try:
            return self._verify(token, time.time_ns() // 1_000_000).player
        except TokenRefused:
            return None

    def token(self, player: str) -> str:
        """A token with which ``player`` can watch everything, and play."""
        now_s = int(time.time())
        claims = player_claims(self._auth, player, rooms=ROOMS, act=ACT_ROOMS, now_s=now_s, life_s=TOKEN_S)
        return sign(claims, self._key)
