"""Keys, each bound to one algorithm by the kind of key that it is.

That binding is why no token can choose how it is checked: a public key is never taken for a secret. Pure: handed bytes
and JSON, hands back keys. Raises `BadKey`, whose message goes on where "the key" or a file's name stands before it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from touchline_server.config.tables import SECRET_BYTES_MIN

HS256 = "HS256"
RS256 = "RS256"
ES256 = "ES256"
EDDSA = "EdDSA"
ALGORITHMS = (HS256, RS256, ES256, EDDSA)

RSA_BITS_MIN = 2048
"""RFC 7518 section 3.3."""
RSA_BITS_MAX = 8192
"""A check of 16,384 bits takes a millisecond of the loop, and nobody signs with that."""

Material: TypeAlias = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_KINDS: dict[tuple[str, str | None], tuple[str, Any, tuple[str, ...]]] = {
    ("RSA", None): (RS256, RSAAlgorithm, ("n", "e")),
    ("EC", "P-256"): (ES256, ECAlgorithm, ("x", "y")),
    ("OKP", "Ed25519"): (EDDSA, OKPAlgorithm, ("x",)),
    ("oct", None): (HS256, HMACAlgorithm, ("k",)),
}
"""By a JWK's kty and crv: the algorithm, who reads it, and the members that it has (RFC 7518 section 6, RFC 8037)."""


class BadKey(ValueError):
    """Nothing that a token can be checked with."""


class Key(NamedTuple):
    """A key to check tokens with. ``kid`` is its name; one that has none is tried with all tokens of its algorithm."""

    algorithm: str
    material: Material
    kid: str | None = None


def secret_key(secret: bytes, kid: str | None = None) -> Key:
    """The key of HS256: what is signed with it can be made by whoever checks it."""
    if secret.lstrip().startswith(b"-----BEGIN"):
        raise BadKey("is a PEM file's text: a public key belongs into a file that auth.public_keys names")
    if len(secret) < SECRET_BYTES_MIN:
        raise BadKey(f"has {len(secret)} bytes, and HS256 needs at least {SECRET_BYTES_MIN} (RFC 7518)")
    return Key(HS256, secret, kid)


def public_key(material: object, kid: str | None = None) -> Key:
    """The key of an asymmetric algorithm."""
    if isinstance(material, RSAPublicKey):
        if not RSA_BITS_MIN <= material.key_size <= RSA_BITS_MAX:
            raise BadKey(f"is an RSA key of {material.key_size} bits, not of {RSA_BITS_MIN} to {RSA_BITS_MAX}")
        return Key(RS256, material, kid)
    if isinstance(material, EllipticCurvePublicKey):
        if not isinstance(material.curve, SECP256R1):
            raise BadKey(f"is on the curve {material.curve.name}; ES256 is on P-256")
        return Key(ES256, material, kid)
    if isinstance(material, Ed25519PublicKey):
        return Key(EDDSA, material, kid)
    raise BadKey("is no public key of RSA, P-256 or Ed25519")


def key_from_pem(pem: bytes) -> Key:
    """Read a public key, or the one of a certificate. Whether the certificate is valid is not looked at."""
    if b"PRIVATE KEY-----" in pem:
        raise BadKey("holds a private key, which only who makes tokens may have: give its public key")
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return public_key(load_pem_x509_certificate(pem).public_key())
        return public_key(load_pem_public_key(pem))
    except BadKey:
        raise
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("holds no public key in PEM: it must begin with -----BEGIN PUBLIC KEY-----") from None


class _Jwk(msgspec.Struct):
    """What is read of a JWK: of all kinds of keys the public members, and ``d``, which only a private one has."""

    kty: str
    crv: str | None = None
    kid: str | None = None
    alg: str | None = None
    use: str = "sig"
    key_ops: list[str] = msgspec.field(default_factory=lambda: ["verify"])
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None
    k: str | None = None
    d: str | None = None


def key_from_jwk(member: Mapping[str, Any], *, symmetric: bool) -> Key:
    """Read a key of a set (RFC 7517 section 4). ``symmetric``: whether secrets are taken, too."""
    try:
        jwk = msgspec.convert(member, _Jwk)
    except msgspec.ValidationError as error:
        raise BadKey(f"is no JWK: {error}") from None
    if jwk.use != "sig" or "verify" not in jwk.key_ops:
        raise BadKey("is not for checking signatures")
    if jwk.kty == "oct" and not symmetric:
        raise BadKey("is a secret (kty oct), which nobody publishes: it is not used")
    if jwk.kty != "oct" and jwk.d is not None:
        raise BadKey("is a private key, which nobody publishes: it is not used")
    if (jwk.kty, jwk.crv) not in _KINDS:
        raise BadKey("is of a kind (kty, crv) that no algorithm here is for")
    algorithm, reader, members = _KINDS[jwk.kty, jwk.crv]
    if jwk.alg not in {None, algorithm}:
        raise BadKey(f"is for another algorithm (alg) than {algorithm}")
    try:
        numbers = {name: getattr(jwk, name) for name in members if getattr(jwk, name) is not None}
        material = reader.from_jwk({"kty": jwk.kty, "crv": jwk.crv, **numbers})
    except (InvalidKeyError, KeyError, ValueError, UnsupportedAlgorithm):
        raise BadKey(f"cannot be read: such a key has {', '.join(members)}") from None
    return secret_key(material, jwk.kid) if algorithm == HS256 else public_key(material, jwk.kid)
