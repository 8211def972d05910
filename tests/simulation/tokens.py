"""Tokens without signatures: a player's name and when the token ends, in Unix milliseconds."""

from touchline_protocol import codes
from touchline_server.core.players.grants import Grant, Patterns, TokenRefused

REFUSED_KIND = "impossible"
"""The kind of the actions that no edge takes."""

_EVERYWHERE = Patterns(["*"])


def make_token(player: str, expires_ms: int) -> str:
    return f"{player}.{expires_ms}"


def verify(token: str, now_ms: int) -> Grant:
    """What a token grants. Raises `TokenRefused` once it has ended."""
    player, _, expires = token.partition(".")
    if int(expires) <= now_ms:
        raise TokenRefused(codes.TOKEN_EXPIRED, "the token has ended")
    return Grant(player, _EVERYWHERE, _EVERYWHERE, int(expires))
