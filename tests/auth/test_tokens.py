"""Which tokens the verifier accepts, and the code with which it refuses the others."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.signed import (
    KEYS,
    NOW_MS,
    NOW_S,
    SECRET,
    Made,
    claims,
    forged,
    forged_hs256,
    jwks,
    make,
    part,
    signed,
    written,
)
from touchline_protocol.codes import ERRORS
from touchline_server.auth.verifier import Verifier, make_verifier
from touchline_server.config.tables import AuthSettings
from touchline_server.core.players.grants import TokenRefused

HASHED = SECRET.encode()


def verifier(**auth: Any) -> Verifier:
    made = make_verifier(AuthSettings(leeway_s=auth.pop("leeway_s", 0), **auth))
    assert made is not None
    return made


def refusal(checks: Verifier, token: str, now_ms: int = NOW_MS) -> str:
    with pytest.raises(TokenRefused) as caught:
        checks.verify(token, now_ms)
    assert caught.value.code is ERRORS[caught.value.code.code]
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 200
    assert SECRET not in message
    assert token not in message or not token
    return caught.value.code.code


@pytest.fixture
def by_secret() -> Verifier:
    return verifier(hs256_secret=SECRET)


@pytest.fixture
def by_all(tmp_path: Path) -> Verifier:
    return verifier(hs256_secret=SECRET, public_keys=[written(tmp_path, key) for key in KEYS.values()])


def test_a_token_grants_what_its_claims_name(by_secret: Verifier) -> None:
    grant = by_secret.verify(signed(SECRET), NOW_MS)
    assert (grant.player, grant.expires_ms) == ("alice", NOW_MS + 60_000)
    assert (grant.rooms.texts, grant.act.texts) == (("match:*",), ("match:7",))


def test_a_token_that_names_no_rooms_grants_none(by_secret: Verifier) -> None:
    grant = by_secret.verify(signed(SECRET, rooms=None, act=None), NOW_MS)
    assert not grant.rooms.allow("match:7")
    assert not grant.act.allow("match:7")


@pytest.mark.parametrize("key", [SECRET, *KEYS.values()], ids=["HS256", *KEYS])
@pytest.mark.parametrize("kid", [None, "a name that is not configured"])
def test_every_algorithm_is_accepted_with_its_key(by_all: Verifier, key: Made | str, kid: str | None) -> None:
    assert by_all.verify(signed(key, kid), NOW_MS).player == "alice"


@pytest.mark.parametrize("algorithm", KEYS)
def test_another_key_of_the_same_algorithm_is_refused(by_all: Verifier, algorithm: str) -> None:
    assert refusal(by_all, signed(make(algorithm))) == "token_signature"


@pytest.mark.parametrize("key", [SECRET, *KEYS.values()], ids=["HS256", *KEYS])
def test_a_changed_token_is_refused(by_all: Verifier, key: Made | str) -> None:
    header, _, signature = signed(key).split(".")
    assert refusal(by_all, f"{header}.{part(claims(sub='mallory'))}.{signature}") == "token_signature"
    assert refusal(by_all, f"{header}.{part(claims())}.") == "token_signature"
    assert refusal(by_all, f"{header}.{part(claims())}.{part(bytes(64))}") == "token_signature"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", " none", "none "])
@pytest.mark.parametrize("signature", [b"", b"anything"])
def test_an_unsigned_token_is_refused_in_any_spelling(by_all: Verifier, alg: str, signature: bytes) -> None:
    assert refusal(by_all, forged({"alg": alg, "typ": "JWT"}, claims(), signature)) == "token_unsigned"


FORMS: dict[str, Callable[[Made], bytes]] = {
    "PEM": lambda key: key.pem,
    "PEM without its last newline": lambda key: key.pem.rstrip(),
    "DER": lambda key: key.der,
    "base64": lambda key: base64.b64encode(key.der),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("algorithm", KEYS)
def test_a_public_key_is_never_taken_for_a_secret(tmp_path: Path, algorithm: str, form: str) -> None:
    key = KEYS[algorithm]
    token = forged_hs256(FORMS[form](key))
    assert refusal(verifier(public_keys=[written(tmp_path, key)]), token) == "token_algorithm"
    with_secret = verifier(hs256_secret=SECRET, public_keys=[written(tmp_path, key)])
    assert refusal(with_secret, token) == "token_signature"


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_key_of_a_set_is_never_taken_for_a_secret(tmp_path: Path, algorithm: str) -> None:
    key = KEYS[algorithm]
    (tmp_path / "jwks.json").write_bytes(jwks(ours=key))
    checks = verifier(hs256_secret=SECRET, jwks=str(tmp_path / "jwks.json"))
    assert checks.verify(signed(key, "ours"), NOW_MS)
    assert refusal(checks, forged_hs256(key.pem, {"alg": "HS256", "kid": "ours"})) == "token_algorithm"
    assert refusal(checks, forged_hs256(HASHED, {"alg": "HS256", "kid": "ours"})) == "token_algorithm"


@pytest.mark.parametrize("alg", ["HS384", "HS512", "RS512", "PS256", "ES384", "ES256K", "hs256", "", "AES", "../x"])
def test_an_algorithm_without_a_key_is_refused(by_all: Verifier, alg: str) -> None:
    assert refusal(by_all, forged({"alg": alg}, claims(), b"x")) == "token_algorithm"


@pytest.mark.parametrize("algorithm", KEYS)
def test_an_algorithm_of_a_key_that_is_not_configured_is_refused(by_secret: Verifier, algorithm: str) -> None:
    assert refusal(by_secret, signed(KEYS[algorithm])) == "token_algorithm"


def test_a_key_in_the_token_itself_is_not_used(by_all: Verifier) -> None:
    own = make("ES256")
    for extra in ({"jwk": own.jwk}, {"jku": "https://evil.example/jwks"}, {"x5c": ["AAAA"]}):
        honest = signed(own).split(".")
        assert refusal(by_all, f"{part({'alg': 'ES256'} | extra)}.{honest[1]}.{honest[2]}") == "token_signature"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "Bearer x",
        signed(SECRET) + ".x",
        signed(SECRET).rsplit(".", 1)[0],
        signed(SECRET).replace(".", "!.", 1),
        " " + signed(SECRET),
        "é" + signed(SECRET),
        "\ud800",
        "a" * 8193,
        signed(SECRET, rooms=["match:" + "x" * 8000]),
        forged(["alg"], claims()),
        forged("HS256", claims()),
        forged({}, claims()),
        forged({"alg": None}, claims()),
        forged({"alg": ["none"]}, claims()),
        forged({"alg": 256}, claims()),
        forged({"alg": "HS256", "kid": 7}, claims()),
        forged({"alg": "HS256", "kid": None}, claims(), b"").replace(".", "", 1),
        forged(b"[" * 5000, claims()),
        forged(b"\xff\xfe", claims()),
        forged_hs256(HASHED, {"alg": "HS256", "crit": ["exp"], "exp": 1}),
        forged_hs256(HASHED, {"alg": "HS256", "crit": []}),
        forged_hs256(HASHED, {"alg": "HS256", "crit": ["b64"], "b64": True}),
        forged_hs256(HASHED, {"alg": "HS256", "b64": False}),
        forged_hs256(HASHED, {"alg": "HS256", "b64": False, "crit": ["b64"]}),
    ],
)
def test_a_text_that_is_not_a_jwt_is_refused(by_secret: Verifier, token: str) -> None:
    assert refusal(by_secret, token) == "token_malformed"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"[" * 4000,
        b'{"sub":"alice","exp":NaN}',
        b'{"sub":"alice","exp":1e999}',
        b'{"sub":"alice","exp":1' + b"0" * 4400 + b"}",
        claims(sub=None),
        claims(sub=""),
        claims(sub=7),
        claims(sub="two words"),
        claims(sub="x" * 129),
        claims(sub="\ud800"),
        claims(exp=None),
        claims(exp="1700000060"),
        claims(exp=True),
        claims(exp=NOW_MS),
        claims(exp=-1),
        claims(nbf="now"),
        claims(iat=[]),
        claims(nbf=NOW_MS),
        {**claims(), "iat": None},
        claims(rooms="match:*"),
        claims(rooms=["match:*", 7]),
        {**claims(), "rooms": None},
        claims(act={"match:*": True}),
        claims(act=["x"] * 101),
        claims(aud=7),
        claims(aud=["here", 7]),
    ],
)
def test_claims_of_the_wrong_type_are_refused(by_secret: Verifier, body: Any) -> None:
    assert refusal(by_secret, forged_hs256(HASHED, body=body)) == "token_malformed"


def test_the_largest_number_of_patterns_is_accepted(by_secret: Verifier) -> None:
    assert by_secret.verify(signed(SECRET, rooms=[f"match:{i}" for i in range(100)]), NOW_MS)


@pytest.mark.parametrize("leeway_s", [0, 5])
def test_a_token_expires_to_the_millisecond(leeway_s: int) -> None:
    checks = verifier(hs256_secret=SECRET, leeway_s=leeway_s)
    end_ms = NOW_MS + (1 + leeway_s) * 1000
    token = signed(SECRET, exp=NOW_S + 1)
    assert checks.verify(token, end_ms - 1).expires_ms == end_ms
    assert refusal(checks, token, end_ms) == "token_expired"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize("leeway_s", [0, 5])
def test_a_token_becomes_valid_to_the_millisecond(claim: str, leeway_s: int) -> None:
    checks = verifier(hs256_secret=SECRET, leeway_s=leeway_s)
    token = signed(SECRET, None, **{claim: NOW_S + 10})
    begin_ms = NOW_MS + (10 - leeway_s) * 1000
    assert checks.verify(token, begin_ms)
    assert refusal(checks, token, begin_ms - 1) == "token_not_yet_valid"


def test_times_can_have_fractions(by_secret: Verifier) -> None:
    assert by_secret.verify(signed(SECRET, exp=NOW_S + 0.25), NOW_MS).expires_ms == NOW_MS + 250


@pytest.mark.parametrize("aud", ["touchline", ["other", "touchline"]])
def test_the_right_audience_is_accepted(aud: str | list[str]) -> None:
    assert verifier(hs256_secret=SECRET, audience="touchline").verify(signed(SECRET, aud=aud), NOW_MS)


@pytest.mark.parametrize("aud", [None, "other", [], ["other"], "touchline2", "Touchline", ""])
def test_another_audience_is_refused(aud: str | list[str] | None) -> None:
    assert refusal(verifier(hs256_secret=SECRET, audience="touchline"), signed(SECRET, aud=aud)) == "token_audience"


def test_the_right_issuer_is_accepted() -> None:
    assert verifier(hs256_secret=SECRET, issuer="https://id").verify(signed(SECRET, iss="https://id"), NOW_MS)


@pytest.mark.parametrize("iss", [None, "https://id/", "", "other"])
def test_another_issuer_is_refused(iss: str | None) -> None:
    assert refusal(verifier(hs256_secret=SECRET, issuer="https://id"), signed(SECRET, iss=iss)) == "token_issuer"


@pytest.mark.parametrize("iss", [["https://id"], 7])
def test_an_issuer_that_is_not_a_text_is_refused(iss: Any) -> None:
    token = forged_hs256(HASHED, body=claims(iss=iss))
    assert refusal(verifier(hs256_secret=SECRET, issuer="https://id"), token) == "token_issuer"


def test_audience_and_issuer_are_checked_only_if_configured(by_secret: Verifier) -> None:
    assert by_secret.verify(signed(SECRET, aud="anybody", iss="anyone"), NOW_MS)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
CLAIMS = st.dictionaries(st.sampled_from(["sub", "exp", "nbf", "iat", "rooms", "act", "aud", "iss", "x"]), JSON)
HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), JSON | st.just("HS256"))
ANYTHING = (
    st.text()
    | st.lists(st.text("abcABC019-_=", max_size=12), max_size=5).map(".".join)
    | st.builds(forged, HEADERS | JSON, CLAIMS | JSON, st.binary(max_size=70))
    | st.builds(lambda body: forged_hs256(HASHED, body=body), CLAIMS | st.binary())
    | st.builds(lambda header: forged_hs256(HASHED, header), HEADERS.filter(bool))
)
CHECKS = verifier(hs256_secret=SECRET, audience="here", issuer="there")


@given(ANYTHING)
def test_any_token_is_either_granted_or_refused(token: str) -> None:
    try:
        CHECKS.verify(token, NOW_MS)
    except TokenRefused as refused:
        assert refused.code.code in ERRORS  # noqa: PT017 - a grant is right as well


RIGHT = signed(SECRET, aud="here", iss="there")


@given(st.integers(0, len(RIGHT) - 1), st.sampled_from("abXY01-_.=!"))
def test_no_change_of_a_character_goes_unnoticed(place: int, character: str) -> None:
    changed = RIGHT[:place] + character + RIGHT[place + 1 :]
    if changed != RIGHT:
        refusal(CHECKS, changed)
