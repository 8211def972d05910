"""Verifies that one of our keys signed a token (RFC 7515): the key ring and the check.

Pure: takes a token, returns the bytes of its claims. The algorithm always follows from the key. The header of a token
only selects among our keys.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidSignatureError, InvalidTokenError

from touchline_protocol.codes import (
    TOKEN_ALGORITHM,
    TOKEN_KEY_UNKNOWN,
    TOKEN_MALFORMED,
    TOKEN_SIGNATURE,
    TOKEN_UNSIGNED,
)
from touchline_protocol.limits import TOKEN_CHARS_MAX
from touchline_server.core.players.grants import TokenRefused

from .keys import ALGORITHMS, Key

_SHOWN_CHARS_MAX = 40  # of a name in a token, when a message quotes it
_JWS = PyJWS(algorithms=ALGORITHMS)


class KeyRing:
    """The keys of the configuration (``own``), and those of a published key set, which can change.

    ``publishable``: the algorithms whose keys the set can contain; empty if there is no key set.
    """

    def __init__(self, own: Sequence[Key], publishable: Container[str] = ()) -> None:
        self.own = tuple(own)
        self._publishable = publishable
        self.published: Sequence[Key] = ()

    def publish(self, keys: Sequence[Key]) -> None:
        """Replace the keys of the key set."""
        self.published = tuple(keys)

    def claims_of(self, token: str) -> bytes:
        """The claims of a token that one of the keys signed: raw bytes, not necessarily JSON.

        Raises:
            TokenRefused: this is not a token, or none of our keys signed it.
        """
        header = _header(token)
        algorithm, kid = _algorithm(header), header.get("kid") or None  # an empty name says nothing
        candidates = self._candidates(algorithm, kid)
        for key in candidates:
            try:
                return _payload(token, key)
            except InvalidSignatureError:
                continue
        if self._may_be_published(algorithm, kid):
            raise TokenRefused(
                TOKEN_KEY_UNKNOWN, f"this server does not know the token's key, or not yet: {_shown(kid)}"
            )
        if not candidates:
            text = f"no key, or not the one that the token names (kid), is for its algorithm {_shown(algorithm)}"
            raise TokenRefused(TOKEN_ALGORITHM, text)
        raise TokenRefused(
            TOKEN_SIGNATURE, "the token's signature does not match: it was changed, or signed with another key"
        )

    def _candidates(self, algorithm: str, kid: str | None) -> Sequence[Key]:
        """The algorithm's keys to try: those named ``kid``, or else those without a name; all if ``kid`` is None."""
        keys = (*self.own, *self.published)
        named = [key for key in keys if kid in {None, key.kid}]
        return [key for key in named or keys if key.algorithm == algorithm and (named or key.kid is None)]

    def _may_be_published(self, algorithm: str, kid: str | None) -> bool:
        """Whether the key can be one that was published after the last read, or that we could not read yet."""
        if algorithm not in self._publishable:
            return False
        return all(kid not in {None, key.kid} for key in (*self.own, *self.published))


def _header(token: str) -> dict[str, Any]:
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        raise TokenRefused(TOKEN_MALFORMED, f"a token is a JWT in ASCII, of at most {TOKEN_CHARS_MAX} characters")
    try:
        header = _JWS.get_unverified_header(token)
    except InvalidTokenError:
        raise _not_a_jwt() from None
    if "crit" in header:
        raise TokenRefused(TOKEN_MALFORMED, "the token's header has crit, and this server supports no extensions")
    return header


def _algorithm(header: Mapping[str, Any]) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenRefused(TOKEN_MALFORMED, "the token's header does not name an algorithm (alg)")
    if algorithm.strip().lower() == "none":
        raise TokenRefused(TOKEN_UNSIGNED, "the token is not signed (alg none), so anybody could have made it")
    return algorithm


def _payload(token: str, key: Key) -> bytes:
    try:
        payload: bytes = _JWS.decode(token, key.material, algorithms=[key.algorithm])
    except InvalidSignatureError:
        raise
    except InvalidTokenError:
        raise _not_a_jwt() from None
    return payload


def _not_a_jwt() -> TokenRefused:
    return TokenRefused(TOKEN_MALFORMED, "the token is not a JWT: three parts in base64url, separated by dots")


def _shown(name: str | None) -> str:
    if name is None:
        return "it has no name (kid)"
    return repr(name if len(name) <= _SHOWN_CHARS_MAX else name[:_SHOWN_CHARS_MAX] + "…")
