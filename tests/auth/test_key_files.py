"""The keys that an operator configures: which ones are accepted, and which are errors in one line."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth.signed import KEYS, NOW_MS, SECRET, signed, written
from touchline_protocol.errors import OperatorError
from touchline_server.auth.verifier import make_verifier
from touchline_server.config.tables import AuthSettings


def test_without_a_key_there_is_no_verifier() -> None:
    assert make_verifier(AuthSettings()) is None


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_pem_file_is_read(tmp_path: Path, algorithm: str) -> None:
    verifier = make_verifier(AuthSettings(public_keys=[written(tmp_path, KEYS[algorithm])]))
    assert verifier is not None
    assert verifier.verify(signed(KEYS[algorithm]), NOW_MS)


def test_the_key_of_a_certificate_is_read(tmp_path: Path) -> None:
    key = KEYS["ES256"]
    assert isinstance(key.private, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    day = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder(name, name, key.private.public_key(), x509.random_serial_number())
        .not_valid_before(day)
        .not_valid_after(day + datetime.timedelta(days=1))
        .sign(key.private, SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    verifier = make_verifier(AuthSettings(public_keys=[file]))
    assert verifier is not None
    assert verifier.verify(signed(key), NOW_MS)


def pem(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | dsa.DSAPublicKey) -> bytes:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "BEGIN PUBLIC KEY"),
        (KEYS["ES256"].der, "BEGIN PUBLIC KEY"),
        (KEYS["ES256"].pem.replace(b"M", b"N"), "BEGIN PUBLIC KEY"),
        (KEYS["ES256"].private_pem, "private"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "BEGIN PUBLIC KEY"),
        (pem(rsa.generate_private_key(65537, 1024).public_key()), "1024"),
        (pem(ec.generate_private_key(ec.SECP384R1()).public_key()), "secp384r1"),
        (pem(dsa.generate_private_key(1024).public_key()), "Ed25519"),
    ],
    ids=["empty", "der", "damaged", "private", "no certificate", "short", "another curve", "dsa"],
)
def test_a_file_without_a_usable_key_is_an_error_that_names_it(tmp_path: Path, content: bytes, named: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    with pytest.raises(OperatorError) as caught:
        make_verifier(AuthSettings(public_keys=[file]))
    assert str(caught.value).startswith(f"auth.public_keys: {file} ")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["nothing.pem", "."])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(OperatorError, match=r"^auth\.public_keys: .*(No such file|Is a directory)"):
        make_verifier(AuthSettings(public_keys=[tmp_path / path]))


def test_a_public_key_as_the_secret_is_an_error() -> None:
    with pytest.raises(OperatorError, match=r"^auth\.hs256_secret .*PEM"):
        make_verifier(AuthSettings(hs256_secret=KEYS["RS256"].pem.decode()))


def test_a_secret_is_used_unchanged() -> None:
    verifier = make_verifier(AuthSettings(hs256_secret=SECRET + " é"))
    assert verifier is not None
    assert verifier.verify(signed(SECRET + " é"), NOW_MS)
