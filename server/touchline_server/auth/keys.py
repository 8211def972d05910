"""Keys to verify tokens with. The type of a key determines its one algorithm.

Therefore a token cannot choose how it is verified: a public key is never used as a secret. Pure: takes bytes and JSON,
returns keys. Errors are `BadKey`; its message continues a sentence that begins with "the key" or a file's name.
"""

from collections.abc import Sequence
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
from jwt.utils import base64url_decode, base64url_encode

from touchline_server.config.tables import SECRET_BYTES_MIN

HS256 = "HS256"
RS256 = "RS256"
ES256 = "ES256"
EDDSA = "EdDSA"
ALGORITHMS = (HS256, RS256, ES256, EDDSA)

RSA_BITS_MIN = 2048
"""RFC 7518 section 3.3."""
RSA_BITS_MAX = 8192
"""Verifying with 16,384 bits would block the event loop for a millisecond, and nobody signs with that."""

P256_COORDINATE_BYTES = 32

Material: TypeAlias = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_KEY_TYPES: dict[tuple[str, str | None], tuple[str, Any, tuple[str, ...]]] = {
    ("RSA", None): (RS256, RSAAlgorithm, ("n", "e")),
    ("EC", "P-256"): (ES256, ECAlgorithm, ("x", "y")),
    ("OKP", "Ed25519"): (EDDSA, OKPAlgorithm, ("x",)),
    ("oct", None): (HS256, HMACAlgorithm, ("k",)),
}
"""Key types by a JWK's kty and crv: algorithm, reader, required members (RFC 7518 section 6, RFC 8037)."""


class BadKey(ValueError):
    """The key cannot be used to verify tokens."""


class KeyForOtherUse(BadKey):
    """The key has another purpose, such as encryption. Issuers publish such keys beside those for tokens."""


class Key(NamedTuple):
    """A key to verify tokens with. ``kid`` is its name; without one it is tried for every token of its algorithm."""

    algorithm: str
    material: Material
    kid: str | None = None


def secret_key(secret: bytes, kid: str | None = None) -> Key:
    """The key for HS256. It is symmetric: everybody who can verify tokens can also create them."""
    if secret.lstrip().startswith(b"-----BEGIN"):
        raise BadKey("is the text of a PEM file: put a public key into a file and name it in auth.public_keys")
    if len(secret) < SECRET_BYTES_MIN:
        raise BadKey(f"has {len(secret)} bytes; HS256 needs at least {SECRET_BYTES_MIN} (RFC 7518)")
    return Key(HS256, secret, kid)


def public_key(material: object, kid: str | None = None) -> Key:
    """The key for an asymmetric algorithm."""
    if isinstance(material, RSAPublicKey):
        if not RSA_BITS_MIN <= material.key_size <= RSA_BITS_MAX:
            raise BadKey(f"is an RSA key of {material.key_size} bits; allowed are {RSA_BITS_MIN} to {RSA_BITS_MAX}")
        return Key(RS256, material, kid)
    if isinstance(material, EllipticCurvePublicKey):
        if not isinstance(material.curve, SECP256R1):
            raise BadKey(f"is on the curve {material.curve.name}; ES256 uses P-256")
        return Key(ES256, material, kid)
    if isinstance(material, Ed25519PublicKey):
        return Key(EDDSA, material, kid)
    raise BadKey("is not a public key for RSA, P-256 or Ed25519")


def key_from_pem(pem: bytes) -> Key:
    """Read a public key, or that of a certificate. The validity of the certificate is not checked."""
    if b"PRIVATE KEY-----" in pem:
        raise BadKey("contains a private key, which only the issuer should have: use its public key")
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return public_key(load_pem_x509_certificate(pem).public_key())
        return public_key(load_pem_public_key(pem))
    except BadKey:
        raise
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("does not contain a public key in PEM: it must begin with -----BEGIN PUBLIC KEY-----") from None


class _Jwk(msgspec.Struct):
    """The members of a JWK that are read: the public ones of all key types, and ``d``, which only a private key has.

    Issuers write members that say nothing: null, an empty text, an empty list. Those count as absent.
    """

    kty: str
    crv: str | None = None
    kid: Any = None
    alg: str | None = None
    use: str | None = None
    key_ops: list[str] | str | None = None
    """A list (RFC 7517 section 4.3). Some issuers write a single text."""
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None
    k: str | None = None
    d: Any = None

    @property
    def name(self) -> str | None:
        """The key's name. One that is not a text cannot be the name in a token, so the key counts as unnamed."""
        return self.kid if isinstance(self.kid, str) and self.kid else None

    @property
    def verifies(self) -> bool:
        """Whether the key may be used for signatures. Without ``use`` and ``key_ops`` it may be used for everything."""
        operations = [self.key_ops] if isinstance(self.key_ops, str) else self.key_ops
        return (self.use or "sig") == "sig" and "verify" in (operations or ["verify"])


def key_from_jwk(member: bytes, *, symmetric: bool) -> Key:
    """Read a key of a set (RFC 7517 section 4), as JSON. ``symmetric``: whether secrets are accepted too.

    Raises:
        BadKey: it cannot be used; `KeyForOtherUse` if it is not meant to be.
    """
    try:
        jwk = msgspec.json.decode(member, type=_Jwk)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadKey(f"is not a JWK: {error}") from None
    if not jwk.verifies:
        raise KeyForOtherUse("is not for verifying signatures (use, key_ops)")
    if jwk.kty == "oct" and not symmetric:
        raise BadKey("is a secret (kty oct), which should not be published: it is ignored")
    if jwk.kty != "oct" and jwk.d:
        raise BadKey("is a private key, which should not be published: it is ignored")
    known = _KEY_TYPES.get((jwk.kty, None)) or _KEY_TYPES.get((jwk.kty, jwk.crv))
    if known is None:
        raise KeyForOtherUse("has a type (kty, crv) that no supported algorithm uses")
    algorithm, reader, members = known
    if jwk.alg and jwk.alg != algorithm:
        raise KeyForOtherUse(f"is for an algorithm (alg) other than {algorithm}")
    return _with_material(jwk, algorithm, reader, members)


def _with_material(jwk: _Jwk, algorithm: str, reader: Any, members: Sequence[str]) -> Key:
    try:
        numbers = {name: getattr(jwk, name) for name in members if getattr(jwk, name) is not None}
        if algorithm == ES256:
            numbers = {name: _coordinate(number) for name, number in numbers.items()}
        material = reader.from_jwk({"kty": jwk.kty, "crv": jwk.crv, **numbers})
    except (InvalidKeyError, KeyError, ValueError, OverflowError, UnsupportedAlgorithm):
        raise BadKey(f"cannot be read: a key of this type has {', '.join(members)}") from None
    return secret_key(material, jwk.name) if algorithm == HS256 else public_key(material, jwk.name)


def _coordinate(number: str) -> str:
    """A coordinate in its full length (RFC 7518 section 6.2.1.2). Some issuers write a number of varying length."""
    written = base64url_decode(number).lstrip(b"\0")
    return base64url_encode(written.rjust(P256_COORDINATE_BYTES, b"\0")).decode()
