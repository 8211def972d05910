"""Key sets as issuers publish them: one usable key works, whatever stands in it and beside it.

The shapes are those of Auth0, Keycloak, Cognito, Microsoft Entra and Azure AD B2C, Firebase, IdentityServer and other
.NET issuers, Ory Hydra, and those of public bug reports about readers of key sets. The keys are made here.
"""

import json
import logging
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.signed import KEYS, NOW_MS, Made, make, part, signed
from support.log_lines import log_lines
from touchline_protocol.errors import OperatorError
from touchline_server.auth.jwks import JwksFile, parse_jwks
from touchline_server.auth.rotation import Rotation
from touchline_server.auth.verifier import make_verifier
from touchline_server.config.tables import AuthSettings
from touchline_server.core.players.grants import TokenRefused

RSA, EC, ED = KEYS["RS256"], KEYS["ES256"], KEYS["EdDSA"]
OTHER_RSA = make("RS256")
CHAIN = "MIIC+DCCAeCgAwIBAgIJ"
THUMBPRINT = "dGh1bWJwcmludA"

ISSUERS: dict[str, tuple[Made, str | None, list[Any]]] = {
    "auth0": (
        RSA,
        "Mjk5",
        [RSA.jwk | {"use": "sig", "kid": "Mjk5", "x5t": THUMBPRINT, "x5c": [CHAIN], "alg": "RS256"}],
    ),
    "keycloak": (
        RSA,
        "sig-1",
        [
            OTHER_RSA.jwk
            | {"kid": "enc-1", "alg": "RSA-OAEP", "use": "enc", "x5c": [CHAIN], "x5t": "e", "x5t#S256": "e"},
            RSA.jwk | {"kid": "sig-1", "alg": "RS256", "use": "sig", "x5c": [CHAIN], "x5t": "s", "x5t#S256": "s"},
        ],
    ),
    "keycloak, also Ed448 and P-521": (
        ED,
        "ed",
        [
            {"kid": "448", "kty": "OKP", "alg": "EdDSA", "use": "sig", "crv": "Ed448", "x": part(b"x" * 57)},
            {"kid": "521", "kty": "EC", "alg": "ES512", "use": "sig", "crv": "P-521", "x": "AQ", "y": "AQ"},
            ED.jwk | {"kid": "ed", "alg": "EdDSA", "use": "sig"},
        ],
    ),
    "cognito": (
        RSA,
        "access",
        [
            {"alg": "RS256", "kid": "id"} | OTHER_RSA.jwk | {"use": "sig"},
            {"alg": "RS256", "kid": "access"} | RSA.jwk | {"use": "sig"},
        ],
    ),
    "entra": (
        RSA,
        "x5t",
        [
            RSA.jwk
            | {"use": "sig", "kid": "x5t", "x5t": "x5t", "x5c": [CHAIN], "cloud_instance_name": "example.com"}
            | {"issuer": "https://login.example.com/{tenantid}/v2.0"}
        ],
    ),
    "azure b2c": (
        RSA,
        "t8zP",
        [
            {"kid": "IdTokenSigningKeyContainer", "use": "sig"} | OTHER_RSA.jwk,
            {"kid": "t8zP", "nbf": 1490400391, "use": "sig"} | RSA.jwk,
        ],
    ),
    "firebase": (
        RSA,
        "85ac",
        [
            {"use": "sig", "alg": "RS256", "kid": "763f"} | OTHER_RSA.jwk,
            {"use": "sig", "alg": "RS256", "kid": "85ac"} | RSA.jwk,
        ],
    ),
    "identityserver": (
        EC,
        "F1DE",
        [EC.jwk | {"use": "sig", "kid": "F1DE", "alg": "ES256", "x5t": "F1", "x5c": []}],
    ),
    ".net, serialized whole": (
        RSA,
        "net",
        [
            RSA.jwk
            | {"alg": None, "crv": None, "d": None, "dp": None, "dq": None, "k": None, "key_ops": [], "kid": "net"}
            | {"oth": None, "p": None, "q": None, "qi": None, "use": None, "x": None, "x5c": [], "x5t": None}
            | {"x5tS256": None, "x5u": None, "y": None, "keySize": 2048, "hasPrivateKey": False}
            | {"cryptoProviderFactory": {"customCryptoProvider": None}},
        ],
    ),
    "ory hydra": (
        RSA,
        "public:hydra",
        [
            {"use": "sig", "kid": "public:ed", "alg": "EdDSA"} | ED.jwk,
            {"use": "sig", "kid": "public:hydra", "alg": "RS256"} | RSA.jwk,
        ],
    ),
    "empty texts": (ED, "a", [ED.jwk | {"use": "", "alg": "", "key_ops": [], "d": "", "kid": "a"}]),
    "key_ops as a text": (EC, "a", [EC.jwk | {"key_ops": "verify", "kid": "a"}]),
    "key_ops of both sides": (EC, "a", [EC.jwk | {"key_ops": ["sign", "verify"], "kid": "a"}]),
    "members of other types": (RSA, "a", [RSA.jwk | {"crv": "P-256", "x": "AQ", "y": "AQ", "kid": "a"}]),
    "no kid": (EC, "anything", [EC.jwk]),
    "an empty kid": (EC, "anything", [EC.jwk | {"kid": ""}]),
    "a null kid": (EC, "anything", [EC.jwk | {"kid": None}]),
    "a number as kid": (EC, "7", [EC.jwk | {"kid": 7}]),
    "an empty kid in the token": (EC, "", [EC.jwk | {"kid": "a"}]),
    "two keys of one name": (EC, "a", [RSA.jwk | {"kid": "a"}, EC.jwk | {"kid": "a"}]),
    "two keys of one name and type": (RSA, "a", [OTHER_RSA.jwk | {"kid": "a"}, RSA.jwk | {"kid": "a"}]),
    "padded base64": (EC, "a", [EC.jwk | {"x": EC.jwk["x"] + "=", "y": EC.jwk["y"] + "=", "kid": "a"}]),
    "a post-quantum key": (EC, "a", [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "b"}, EC.jwk]),
    "neighbours that are not keys": (
        EC,
        "a",
        [None, 7, "key", [], [[]], {}, {"kty": None}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256"}, EC.jwk],
    ),
    "a number out of range beside it": (EC, "a", [{"kty": "RSA", "n": "AQ", "e": "AQ", "nbf": 10**400}, EC.jwk]),
}


def player_by(document: bytes, token: str, tmp_path: Path) -> str:
    """The player of a token, by the key set in ``document``; or the code of the refusal."""
    file = tmp_path / "jwks.json"
    file.write_bytes(document)
    verifier = make_verifier(AuthSettings(jwks=str(file)))
    assert verifier is not None
    try:
        return verifier.verify(token, NOW_MS).player
    except TokenRefused as refused:
        return refused.code.code


@pytest.mark.parametrize("issuer", ISSUERS, ids=lambda name: name.replace(" ", "-"))
def test_a_token_of_each_issuer_is_accepted(issuer: str, tmp_path: Path) -> None:
    key, kid, members = ISSUERS[issuer]
    assert player_by(json.dumps({"keys": members}).encode(), signed(key, kid), tmp_path) == "alice"


@pytest.mark.parametrize(
    "document",
    [
        b"\xef\xbb\xbf" + json.dumps({"keys": [EC.jwk]}).encode(),
        json.dumps({"keys": [EC.jwk]}, indent=2).replace("\n", "\r\n").encode(),
        json.dumps({"issuer": "x", "keys": [EC.jwk], "expires": 1e300}).encode(),
        b'{"nbf": 1e999, "keys": [' + json.dumps(EC.jwk).encode() + b"]}",
        b'{"keys": [{"kty": "EC", "deep": ' + b"[" * 100 + b"]" * 100 + b"}, " + json.dumps(EC.jwk).encode() + b"]}",
    ],
    ids=["byte-order mark", "CRLF", "members beside the keys", "a number out of range", "deep nesting"],
)
def test_a_set_is_read_whatever_else_is_in_the_document(document: bytes, tmp_path: Path) -> None:
    assert player_by(document, signed(EC), tmp_path) == "alice"


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (json.dumps({"keys": [EC.jwk]}).encode("utf-16"), "UTF-16"),
        (json.dumps({"keys": [EC.jwk]}).encode("utf-16-le"), "UTF-16"),
        (json.dumps({"keys": [EC.jwk]}).encode("utf-32"), "UTF-32"),
        ('{"keys": [],\n "é": 1}'.encode("latin-1"), "line 2, column 3"),
        (b'{"issuer": "https://id.example", "jwks_uri": "https://id.example/keys"}', "https://id.example/keys"),
        (json.dumps({"85ac": "-----BEGIN CERTIFICATE-----"}).encode(), '{"keys"'),
        (json.dumps([EC.jwk]).encode(), '{"keys"'),
        (json.dumps(EC.jwk).encode(), '{"keys"'),
        (b'{"keys": null}', '{"keys"'),
        (b'{"keys": {}}', '{"keys"'),
    ],
    ids=["utf-16", "utf-16-le", "utf-32", "latin-1", "discovery", "pem", "list", "single-key", "null", "object"],
)
def test_what_is_not_a_key_set_is_named(document: bytes, named: str) -> None:
    with pytest.raises(OperatorError) as caught:
        parse_jwks(document, "it", symmetric=False)
    assert named in str(caught.value)


@pytest.mark.parametrize("shorten", [lambda raw: raw.lstrip(b"\0"), lambda raw: b"\0" + raw], ids=["31", "33"])
def test_coordinates_written_as_numbers_are_read(shorten: Any, tmp_path: Path) -> None:
    key = next(key for key in iter(lambda: make("ES256"), None) if jwt.utils.base64url_decode(key.jwk["x"])[0] == 0)
    x = part(shorten(jwt.utils.base64url_decode(key.jwk["x"])))
    document = json.dumps({"keys": [key.jwk | {"x": x}]}).encode()
    assert player_by(document, signed(key), tmp_path) == "alice"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MEMBER_NAMES = st.sampled_from(["kty", "crv", "kid", "alg", "use", "key_ops", "n", "e", "x", "y", "k", "d", "x5c"])
TEXTS = st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "sig", "verify", "", "AQAB", RSA.jwk["n"]])


@given(st.lists(st.dictionaries(MEMBER_NAMES, TEXTS | ANY_JSON) | ANY_JSON, max_size=8), st.integers(0, 8))
def test_no_neighbour_costs_a_key(neighbours: list[Any], position: int) -> None:
    members = [*neighbours[:position], ED.jwk | {"kid": "ours"}, *neighbours[position:]]
    read = parse_jwks(json.dumps({"keys": members}).encode(), "it", symmetric=True)
    assert "ours" in {key.kid for key in read.keys}
    assert len(read.keys) + len(read.ignored) == len(members)


def test_each_ignored_key_is_reported_once_and_only_a_broken_one_as_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def read(*members: Any) -> list[tuple[str, str]]:
        caplog.clear()
        rotation.apply(parse_jwks(json.dumps({"keys": [ED.jwk, *members]}).encode(), "it", symmetric=False))
        ignored = log_lines(caplog, "jwks_key_ignored")
        warnings = log_lines(caplog, "jwks_key_ignored", level=logging.WARNING)
        return [("WARNING" if line in warnings else "INFO", line["why"].split(" of ")[0]) for line in ignored]

    caplog.set_level(logging.INFO, "touchline.auth")
    rotation = Rotation(JwksFile(Path("it")), lambda keys: None, refresh_s=1.0)
    encrypts, broken = RSA.jwk | {"use": "enc"}, {"kty": "RSA", "n": "AQ"}
    assert read(encrypts, broken) == [("INFO", "key 1"), ("WARNING", "key 2")]
    assert read(encrypts, broken) == []
    assert read(encrypts, broken, 7) == [("WARNING", "key 3")]


def test_a_token_is_not_verified_by_a_key_that_was_ignored(tmp_path: Path) -> None:
    document = json.dumps({"keys": [RSA.jwk | {"use": "enc", "kid": "a"}, ED.jwk]}).encode()
    assert player_by(document, signed(RSA, "a"), tmp_path) == "token_key_unknown"
