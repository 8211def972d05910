"""Names and tokens for the demo's visitors. A token is valid for an hour."""

import secrets
import time
from collections.abc import Callable
from itertools import count

from touchline_server.auth.signing import player_claims, sign, signing_secret
from touchline_server.config.tables import AuthSettings
from touchline_server.core.players.grants import Grant, TokenRefused

from .settings import ACT_ROOMS, ROOMS

TOKEN_S = 3600
"""The page asks for a new one a minute before. A page that slept through that comes back as another player."""

_ADJECTIVES = ("brisk", "calm", "fair", "glad", "keen", "loud", "merry", "proud", "quick", "wild")
_ANIMALS = ("badger", "falcon", "fox", "heron", "lynx", "otter", "panda", "raven", "seal", "wolf")


class TokenIssuer:
    """Issues tokens. ``verify`` is the server's own check of them."""

    def __init__(self, auth: AuthSettings, verify: Callable[[str, int], Grant]) -> None:
        assert auth.hs256_secret is not None  # noqa: S101 - `demo_settings` sets one
        self._auth = auth
        self._key = signing_secret(auth.hs256_secret)
        self._verify = verify
        self._numbers = count(1)

    def new_player(self) -> str:
        """A name that no other player has."""
        return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_ANIMALS)}-{next(self._numbers)}"

    def player_of(self, token: str) -> str | None:
        """The player that ``token`` names; None if the token is not valid."""
        try:
            return self._verify(token, time.time_ns() // 1_000_000).player
        except TokenRefused:
            return None

    def token(self, player: str) -> str:
        """A token that lets ``player`` watch everything, and play."""
        now_s = int(time.time())
        claims = player_claims(self._auth, player, rooms=ROOMS, act=ACT_ROOMS, now_s=now_s, life_s=TOKEN_S)
        return sign(claims, self._key)
