"""What the claims of a token grant (RFC 7519 section 4), once its signature has been verified.

Pure: the time is passed in. Every time in a token has ``leeway_ms`` in both directions; the end of a grant includes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from touchline_protocol.actions import is_player
from touchline_protocol.codes import (
    TOKEN_AUDIENCE,
    TOKEN_EXPIRED,
    TOKEN_ISSUER,
    TOKEN_MALFORMED,
    TOKEN_NOT_YET_VALID,
)
from touchline_server.core.players.grants import PATTERNS_MAX, Grant, Patterns, TokenRefused

TIME_S_MAX = 253_402_300_800
"""The year 10000. Times in milliseconds, a frequent mistake, are beyond it."""

_DECODER = msgspec.json.Decoder(dict[str, Any])


class Expected(NamedTuple):
    """What the claims of a token must be. None is not checked."""

    audience: str | None = None
    issuer: str | None = None
    leeway_ms: int = 0


def grant_of(payload: bytes, now_ms: int, expected: Expected) -> Grant:
    """What the claims grant at ``now_ms`` (Unix milliseconds).

    Raises:
        TokenRefused: the claims cannot be read, are not valid now, or are meant for another service.
    """
    claims = _claims(payload)
    grant = Grant(
        _player(claims),
        Patterns(_patterns(claims, "rooms")),
        Patterns(_patterns(claims, "act")),
        _required_ms(claims, "exp") + expected.leeway_ms,
        members=Patterns(_patterns(claims, "members")),
    )
    starts = {name: start for name in ("nbf", "iat") if (start := _ms(claims, name)) is not None}
    if now_ms >= grant.expires_ms:
        raise TokenRefused(TOKEN_EXPIRED, f"the token expired {(now_ms - grant.expires_ms) / 1000:.0f} s ago (exp)")
    for name, start_ms in starts.items():
        if now_ms + expected.leeway_ms < start_ms:
            ahead_s = (start_ms - now_ms) / 1000
            text = f"the token is valid only in {ahead_s:.0f} s ({name}), by this server's clock"
            raise TokenRefused(TOKEN_NOT_YET_VALID, text)
    _check_audience(claims, expected.audience)
    _check_issuer(claims, expected.issuer)
    return grant


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        return _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _malformed("the token's claims are not a JSON object") from None


def _player(claims: Mapping[str, Any]) -> str:
    player = claims.get("sub")
    if not isinstance(player, str) or not is_player(player):
        raise _malformed("the token's sub must be the player's id: 1 to 128 bytes, printable, without spaces")
    return player


def _patterns(claims: Mapping[str, Any], name: str) -> Sequence[str]:
    patterns = claims.get(name, [])
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise _malformed(f'the token\'s {name} must be a list of room patterns, e.g. ["match:*"]')
    if len(patterns) > PATTERNS_MAX:
        raise _malformed(f"the token's {name} has {len(patterns)} patterns; the limit is {PATTERNS_MAX}")
    return patterns


def _required_ms(claims: Mapping[str, Any], name: str) -> int:
    if (time_ms := _ms(claims, name)) is None:
        raise _malformed(f"the token has no {name}: it must give the time when it expires, in seconds since 1970")
    return time_ms


def _ms(claims: Mapping[str, Any], name: str) -> int | None:
    """A time in milliseconds. A NumericDate is in seconds and can have a fraction (RFC 7519 section 2)."""
    seconds = claims.get(name)
    if name not in claims:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < TIME_S_MAX:
        raise _malformed(f"the token's {name} must be a number of seconds (not milliseconds) since 1970")
    return int(seconds * 1000)


def _check_audience(claims: Mapping[str, Any], audience: str | None) -> None:
    """``aud`` is a string or a list of strings (RFC 7519 section 4.1.3)."""
    named = claims.get("aud", [])
    if isinstance(named, str):
        named = [named]
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise _malformed("the token's aud must be a string or a list of strings")
    if audience is not None and audience not in named:
        raise TokenRefused(TOKEN_AUDIENCE, f"the token's aud must contain {audience!r}, this server's auth.audience")


def _check_issuer(claims: Mapping[str, Any], issuer: str | None) -> None:
    if issuer is not None and claims.get("iss") != issuer:
        raise TokenRefused(TOKEN_ISSUER, f"the token's iss must be {issuer!r}, this server's auth.issuer")


def _malformed(message: str) -> TokenRefused:
    return TokenRefused(TOKEN_MALFORMED, message)
