"""Creates tokens for development. In production the service that players sign in to creates them.

A token is signed with the secret for HS256 or with a private key. The algorithm follows from the type of the key, as it
does for a verifier.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from touchline_protocol.errors import OperatorError
from touchline_server.config.tables import AuthSettings

from .keys import BadKey, public_key, secret_key

PrivateMaterial: TypeAlias = bytes | RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


class SigningKey(NamedTuple):
    """A key to sign tokens with. ``kid`` is its name in a key set, and is written into tokens."""

    algorithm: str
    material: PrivateMaterial
    kid: str | None = None


def signing_secret(secret: str, kid: str | None = None) -> SigningKey:
    """The key of ``auth.hs256_secret``.

    Raises:
        OperatorError: the secret is not usable for HS256.
    """
    try:
        return SigningKey(secret_key(secret.encode()).algorithm, secret.encode(), kid)
    except BadKey as error:
        raise OperatorError(f"auth.hs256_secret {error}") from None


def signing_key_of_file(path: Path, kid: str | None = None) -> SigningKey:
    """The private key in a PEM file.

    Raises:
        OperatorError: the file cannot be read, or does not contain a key to sign with.
    """
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise OperatorError(f"cannot read the key file {path}: {error.strerror or error}") from None
    except TypeError:
        raise OperatorError(f"the key file {path} is protected by a password: use one that is not") from None
    except (ValueError, UnsupportedAlgorithm):
        raise OperatorError(
            f"the key file {path} does not contain a private key in PEM: it must begin with -----BEGIN PRIVATE KEY-----"
        ) from None
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise OperatorError(f"the key file {path} does not contain a key for RSA, P-256 or Ed25519")
    try:
        return SigningKey(public_key(private.public_key()).algorithm, private, kid)
    except BadKey as error:
        raise OperatorError(f"the key file {path} {error}") from None


def player_claims(
    auth: AuthSettings,
    player: str,
    *,
    rooms: Sequence[str],
    act: Sequence[str],
    members: Sequence[str] = (),
    now_s: int,
    life_s: int,
) -> dict[str, Any]:
    """The claims of a token for ``player``, valid from now on, with the audience and the issuer of the settings."""
    return {
        "sub": player,
        "iat": now_s,
        "exp": now_s + life_s,
        "rooms": rooms,
        "act": act,
        "members": members or None,
        "aud": auth.audience,
        "iss": auth.issuer,
    }


def sign(claims: Mapping[str, Any], key: SigningKey) -> str:
    """A token with these claims. Claims whose value is None are left out."""
    stated = {name: value for name, value in claims.items() if value is not None}
    headers = {"kid": key.kid} if key.kid is not None else None
    return jwt.encode(stated, key.material, key.algorithm, headers=headers)
