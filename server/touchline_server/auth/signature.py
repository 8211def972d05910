"""Whether a token was signed with one of our keys (RFC 7515): the key ring, and the check.

Pure: handed a token, hands back the bytes of its claims. Which key is tried is decided
by the key's algorithm and name; what the token says of itself only chooses among our keys.
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
from touchline_server.core.grants import TokenRefused

from .keys import ALGORITHMS, Key

_SHOWN_CHARS_MAX = 40  # of a name in a token, in the message that it gets
_JWS = PyJWS(algorithms=ALGORITHMS)


class KeyRing:
    """The keys: ``own`` ones of the configuration, and those of a key set that is published and may change.

    ``publishable``: the algorithms whose keys may be published later; none where there is no key set.
    """

    def __init__(self, own: Sequence[Key], publishable: Container[str] = ()) -> None:
        self._own = tuple(own)
        self._publishable = publishable
        self.published: Sequence[Key] = ()

    def publish(self, keys: Sequence[Key]) -> None:
        """Take ``keys`` in place of those that were published before."""
        self.published = tuple(keys)

    def claims_of(self, token: str) -> bytes:
        """The claims of a token that one of the keys signed, as they are: JSON, if its maker meant well.

        Raises:
            TokenRefused: it is no token, or no key of ours signed it.
        """
        header = _header(token)
        algorithm, kid = _algorithm(header), header.get("kid")
        candidates = self._candidates(algorithm, kid)
        for key in candidates:
            try:
                return _payload(token, key)
            except InvalidSignatureError:
                continue
        if self._may_be_published(algorithm, kid):
            raise TokenRefused(TOKEN_KEY_UNKNOWN, f"the token's key is not known here, or not yet: {_shown(kid)}")
        if not candidates:
            text = f"no key, or not the one that the token names (kid), is for its algorithm {_shown(algorithm)}"
            raise TokenRefused(TOKEN_ALGORITHM, text)
        raise TokenRefused(TOKEN_SIGNATURE, "the token's signature is not that of its key: it was changed, or made up")

    def _candidates(self, algorithm: str, kid: str | None) -> Sequence[Key]:
        """The keys of the algorithm that may have signed: those of that name, else those without; all, for no name."""
        keys = (*self._own, *self.published)
        named = [key for key in keys if kid in {None, key.kid}]
        return [key for key in named or keys if key.algorithm == algorithm and (named or key.kid is None)]

    def _may_be_published(self, algorithm: str, kid: str | None) -> bool:
        """Whether the key may be one that was published since we looked, or that we could not read yet."""
        if algorithm not in self._publishable:
            return False
        return all(kid not in {None, key.kid} for key in (*self._own, *self.published))


def _header(token: str) -> dict[str, Any]:
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        raise TokenRefused(TOKEN_MALFORMED, f"a token is a JWT, in ASCII, of at most {TOKEN_CHARS_MAX} characters")
    try:
        header = _JWS.get_unverified_header(token)
    except InvalidTokenError:
        raise _no_jwt() from None
    if "crit" in header:
        raise TokenRefused(TOKEN_MALFORMED, "the token's header has crit, and no extension is known here")
    return header


def _algorithm(header: Mapping[str, Any]) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenRefused(TOKEN_MALFORMED, "the token's header does not name an algorithm (alg)")
    if algorithm.strip().lower() == "none":
        raise TokenRefused(
            TOKEN_UNSIGNED, "the token says that it is not signed (alg none), so anybody may have made it"
        )
    return algorithm


def _payload(token: str, key: Key) -> bytes:
    try:
        payload: bytes = _JWS.decode(token, key.material, algorithms=[key.algorithm])
    except InvalidSignatureError:
        raise
    except InvalidTokenError:
        raise _no_jwt() from None
    return payload


def _no_jwt() -> TokenRefused:
    return TokenRefused(TOKEN_MALFORMED, "the token is no JWT: three parts in base64url with dots between them")


def _shown(name: str | None) -> str:
    if name is None:
        return "it has no name (kid)"
    return repr(name if len(name) <= _SHOWN_CHARS_MAX else name[:_SHOWN_CHARS_MAX] + "…")
