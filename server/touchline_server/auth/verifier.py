"""The verifier that the settings describe.

Cryptography, PyJWT and httpx, which verifiers need, are imported only if the settings have a key: a server without
tokens starts sooner.
"""

from collections.abc import Mapping
from typing import Protocol

from touchline_server.config.tables import JWKS_SPACING_S, AuthSettings
from touchline_server.core.players.grants import Grant


class Verifier(Protocol):
    """Verifies tokens. It must be started, to keep the keys of a key set fresh."""

    def verify(self, token: str, now_ms: int) -> Grant:
        """What ``token`` grants at ``now_ms`` (Unix milliseconds). It takes 0.1 to 0.3 ms and never waits.

        Raises:
            TokenRefused: the token grants nothing. Code and message say why.
        """

    async def start(self) -> None:
        """Read the key set, if there is one, and keep it fresh. A failure shows in `problems` and is not raised."""

    async def stop(self) -> None:
        """Stop keeping the key set fresh. May be called without a start."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Why tokens cannot be verified as they should, by setting."""


def make_verifier(auth: AuthSettings, *, spacing_s: float = JWKS_SPACING_S) -> Verifier | None:
    """The verifier that the settings describe; None if they have no key, so that no token can be verified.

    ``spacing_s``: the minimum time between two reads of the key set.

    Raises:
        OperatorError: a file cannot be read or has no key in it, or the URL of the key set cannot be trusted.
    """
    if not auth.has_keys:
        return None
    from .key_verifier import make_key_verifier  # noqa: PLC0415 - see above

    return make_key_verifier(auth, spacing_s=spacing_s)


async def started_verifier(
    auth: AuthSettings, before: Verifier | None, *, spacing_s: float = JWKS_SPACING_S
) -> Verifier | None:
    """A verifier that takes the place of the one ``before``: it has its keys already, see `KeyVerifier.take_over`.

    ``spacing_s`` as for `make_verifier`.

    Raises:
        OperatorError: as `make_verifier`.
    """
    if not auth.has_keys:
        return None
    from .key_verifier import KeyVerifier, make_key_verifier  # noqa: PLC0415 - see above

    verifier = make_key_verifier(auth, spacing_s=spacing_s)
    try:
        await verifier.start()
    except BaseException:
        await verifier.stop()
        raise
    if isinstance(before, KeyVerifier):
        verifier.take_over(before)
    return verifier
