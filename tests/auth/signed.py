"""Generated keys, and tokens: honest ones made by PyJWT, forged ones made by hand."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NOW_S = 1_700_000_000
NOW_MS = NOW_S * 1000
SECRET = "a secret that is long enough for HS256"


class Made(NamedTuple):
    """A private key, and its public key in the formats that tests need."""

    algorithm: str
    private: RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
    pem: bytes
    der: bytes
    jwk: dict[str, Any]
    private_pem: bytes


def make(algorithm: str) -> Made:
    """A new key for the algorithm."""
    private: RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
    if algorithm == "RS256":
        private = generate_rsa(65537, 2048)
        jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    elif algorithm == "ES256":
        private = generate_ec(SECP256R1())
        jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        private = Ed25519PrivateKey.generate()
        jwk = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    public = private.public_key()
    return Made(
        algorithm,
        private,
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        {name: value for name, value in jwk.items() if name in {"kty", "crv", "n", "e", "x", "y"}},
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


KEYS = {algorithm: make(algorithm) for algorithm in ("RS256", "ES256", "EdDSA")}


def claims(**changed: Any) -> dict[str, Any]:
    """Valid claims, with changes; None removes a claim."""
    right = {"sub": "alice", "exp": NOW_S + 60, "rooms": ["match:*"], "act": ["match:7"]}
    return {name: value for name, value in (right | changed).items() if value is not None}


def signed(key: Made | str, kid: str | None = None, **changed: Any) -> str:
    """An honest token, signed with a private key or a secret."""
    header = None if kid is None else {"kid": kid}
    if isinstance(key, str):
        return jwt.encode(claims(**changed), key, "HS256", headers=header)
    return jwt.encode(claims(**changed), key.private, key.algorithm, headers=header)


def part(value: Any) -> str:
    """A part of a token: bytes unchanged, anything else as JSON."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def forged(header: Any, body: Any, signature: bytes = b"") -> str:
    """A token with any signature, or without one."""
    return f"{part(header)}.{part(body)}.{part(signature)}"


def forged_hs256(secret: bytes, header: Any = None, body: Any = None) -> str:
    """A token signed by HS256 with any bytes. PyJWT refuses to do that with a public key."""
    start = f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(claims() if body is None else body)}"
    return f"{start}.{part(hmac.new(secret, start.encode(), hashlib.sha256).digest())}"


def written(folder: Path, key: Made) -> Path:
    """A PEM file with the public key."""
    path = folder / f"{key.algorithm}.pem"
    path.write_bytes(key.pem)
    return path


def jwks(**keys: Made) -> bytes:
    """A key set from keys by name."""
    return json.dumps({"keys": [key.jwk | {"kid": kid} for kid, key in keys.items()]}).encode()
