"""The verifier accepts tokens for development, whichever key signs them. A key that cannot sign is an error."""

from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from auth.signed import KEYS, NOW_MS, SECRET, claims, jwks, written
from touchline_protocol.errors import OperatorError
from touchline_server.auth.signing import sign, signing_key_of_file, signing_secret
from touchline_server.auth.verifier import make_verifier
from touchline_server.config.tables import AuthSettings


def test_the_verifier_accepts_a_token_signed_by_the_secret() -> None:
    verifier = make_verifier(AuthSettings(hs256_secret=SECRET))
    assert verifier is not None
    assert verifier.verify(sign(claims(), signing_secret(SECRET)), NOW_MS).player == "alice"


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_verifier_accepts_a_token_signed_by_a_private_key(tmp_path: Path, algorithm: str) -> None:
    key = KEYS[algorithm]
    (tmp_path / "private.pem").write_bytes(key.private_pem)
    (tmp_path / "jwks.json").write_bytes(jwks(ours=key))
    token = sign(claims(), signing_key_of_file(tmp_path / "private.pem", "ours"))
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": "ours", "typ": "JWT"}
    for auth in (
        AuthSettings(public_keys=[written(tmp_path, key)]),
        AuthSettings(jwks=str(tmp_path / "jwks.json")),
    ):
        verifier = make_verifier(auth)
        assert verifier is not None
        assert verifier.verify(token, NOW_MS).player == "alice"


def test_claims_without_a_value_are_left_out() -> None:
    token = sign({"sub": "alice", "aud": None}, signing_secret(SECRET))
    assert jwt.decode(token, SECRET, ["HS256"]) == {"sub": "alice"}
    assert "kid" not in jwt.get_unverified_header(token)


def private(
    key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey, lock: KeySerializationEncryption | None = None
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption())


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "BEGIN PRIVATE KEY"),
        (KEYS["RS256"].pem, "BEGIN PRIVATE KEY"),
        (
            private(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"locked")),
            "password",
        ),
        (private(ec.generate_private_key(ec.SECP384R1())), "secp384r1"),
        (private(x25519.X25519PrivateKey.generate()), "Ed25519"),
    ],
)
def test_a_file_that_cannot_sign_is_an_error_that_names_it(tmp_path: Path, content: bytes, named: str) -> None:
    file = tmp_path / "private.pem"
    file.write_bytes(content)
    with pytest.raises(OperatorError) as caught:
        signing_key_of_file(file)
    assert str(file) in str(caught.value)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_public_key_cannot_be_the_secret() -> None:
    with pytest.raises(OperatorError, match=r"^auth\.hs256_secret .*PEM"):
        signing_secret(KEYS["RS256"].pem.decode())
