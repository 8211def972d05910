"""A verifier with keys: what a token grants, according to the keys and the expected claims of the settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from touchline_protocol.codes import TOKEN_KEY_UNKNOWN
from touchline_protocol.errors import OperatorError
from touchline_server.config.tables import AuthSettings
from touchline_server.config.values import milliseconds
from touchline_server.core.players.grants import Grant, TokenRefused

from .claims import Expected, grant_of
from .jwks import JwksFile, jwks_source
from .keys import BadKey, Key, key_from_pem, secret_key
from .rotation import Rotation
from .signature import KeyRing

PEM_BYTES_MAX = 64 * 1024
"""A key takes about a kilobyte, a certificate a few."""

logger = structlog.get_logger("touchline.auth")


class KeyVerifier:
    """Verifies tokens. With a key set it must be started, to keep the keys fresh."""

    def __init__(self, keys: KeyRing, expected: Expected, rotation: Rotation | None = None) -> None:
        self._keys = keys
        self._expected = expected
        self._rotation = rotation
        self._needs_key_set = True

    def verify(self, token: str, now_ms: int) -> Grant:
        """What ``token`` grants at ``now_ms`` (Unix milliseconds). It takes 0.1 to 0.3 ms and never waits.

        Raises:
            TokenRefused: the token grants nothing. Code and message say why.
        """
        try:
            payload = self._keys.claims_of(token)
        except TokenRefused as refused:
            if refused.code == TOKEN_KEY_UNKNOWN and self._rotation is not None:
                self._rotation.request()
            raise
        return grant_of(payload, now_ms, self._expected)

    async def start(self) -> None:
        """Read the key set, if there is one, and keep it fresh. A failure shows in `problems` and is not raised."""
        if self._rotation is not None:
            await self._rotation.start()

    def take_over(self, before: "KeyVerifier") -> None:
        """Take the place of another verifier. If the key set cannot be read now, the published keys that the other
        one knew stay until it can.

        If that leaves no key at all, the other's own keys stay: until now all tokens were checked with them.
        """
        if self._rotation is None or self._rotation.problem is None:
            return
        kept = before._keys.published or (() if self._keys.own else before._keys.own)
        self._keys.publish(kept)
        self._needs_key_set = bool(before.problems)
        logger.warning("jwks_keys_kept", keys=len(kept), why=self._rotation.problem)

    async def stop(self) -> None:
        """Stop keeping the key set fresh. May be called without a start."""
        if self._rotation is not None:
            await self._rotation.stop()

    @property
    def problems(self) -> Mapping[str, str]:
        """Why tokens cannot be verified as they should, by setting.

        Known keys stay in use, so a key set that can no longer be read is only logged and does not count as a problem:
        an issuer that is down for a minute must not take every edge out of service. Nor must one that is down when a
        server that worked takes over other settings.
        """
        if self._rotation is None or self._rotation.problem is None:
            return {}
        if self._keys.published or not self._needs_key_set:
            return {}
        return {"auth.jwks": self._rotation.problem}


def make_key_verifier(auth: AuthSettings, *, spacing_s: float) -> KeyVerifier:
    """The verifier with the keys of the settings, of which there is one at least.

    ``spacing_s``: the minimum time between two reads of the key set.

    Raises:
        OperatorError: a file cannot be read or has no key in it, or the URL of the key set cannot be trusted.
    """
    keys = [_key_of_file(path) for path in auth.public_keys]
    if auth.hs256_secret is not None:
        keys.append(_key_of_secret(auth.hs256_secret))
    expected = Expected(auth.audience, auth.issuer, milliseconds(auth.leeway_s))
    if auth.jwks is not None:
        return _with_key_set(auth.jwks, keys, expected, auth.jwks_refresh_s, spacing_s)
    return KeyVerifier(KeyRing(keys), expected)


def _with_key_set(
    location: str, keys: Sequence[Key], expected: Expected, refresh_s: float, spacing_s: float
) -> KeyVerifier:
    source = jwks_source(location)
    ring = KeyRing(keys, source.algorithms)
    rotation = Rotation(source, ring.publish, refresh_s=refresh_s, spacing_s=spacing_s)
    if isinstance(source, JwksFile):  # report a typing error in its name at once
        rotation.apply(source.read())
    return KeyVerifier(ring, expected, rotation)


def _key_of_secret(secret: str) -> Key:
    try:
        return secret_key(secret.encode())
    except BadKey as error:
        raise OperatorError(f"auth.hs256_secret {error}") from None


def _key_of_file(path: Path) -> Key:
    try:
        with path.open("rb") as file:
            return key_from_pem(file.read(PEM_BYTES_MAX))
    except OSError as error:
        raise OperatorError(f"auth.public_keys: cannot read {path}: {error.strerror or error}") from None
    except BadKey as error:
        raise OperatorError(f"auth.public_keys: {path} {error}") from None
