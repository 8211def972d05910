"""Published keys: used, replaced when they change, kept while the issuer is down, and only from a trusted address."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from auth.issuer import Issuer, issuing
from auth.signed import KEYS, NOW_MS, SECRET, forged_hs256, jwks, make, part, signed
from support.log_lines import log_lines
from support.waiting import eventually
from touchline_protocol.errors import OperatorError
from touchline_server.auth import jwks as jwks_module
from touchline_server.auth.jwks import JWKS_BYTES_MAX, KEYS_MAX, parse_jwks
from touchline_server.auth.verifier import Verifier, make_verifier, started_verifier
from touchline_server.config.tables import AuthSettings
from touchline_server.core.players.grants import TokenRefused

OTHER_SECRET = "another secret that is long enough for HS256"
OLD, NEW = KEYS["ES256"], KEYS["EdDSA"]


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as running:
        yield running


@asynccontextmanager
async def started(
    place: str, *, refresh_s: float = 1000.0, spacing_s: float = 0.01, **auth: Any
) -> AsyncIterator[Verifier]:
    verifier = make_verifier(AuthSettings(jwks=place, jwks_refresh_s=refresh_s, **auth), spacing_s=spacing_s)
    assert verifier is not None
    await verifier.start()
    try:
        yield verifier
    finally:
        await verifier.stop()


def answer(verifier: Verifier, token: str) -> str:
    """The player of a token, or the code of the refusal."""
    try:
        return verifier.verify(token, NOW_MS).player
    except TokenRefused as refused:
        return refused.code.code


async def test_the_keys_that_an_issuer_publishes_are_used(issuer: Issuer) -> None:
    issuer.publish(jwks(**KEYS))
    async with started(issuer.url) as verifier:
        assert {answer(verifier, signed(key, kid)) for kid, key in KEYS.items()} == {"alice"}
        assert {answer(verifier, signed(key)) for key in KEYS.values()} == {"alice"}
        assert answer(verifier, signed(make("ES256"), "ES256")) == "token_signature"
        assert answer(verifier, signed(OLD, "EdDSA")) == "token_algorithm"
        assert answer(verifier, forged_hs256(OLD.pem, {"alg": "HS256", "kid": "never seen"})) == "token_algorithm"
        assert verifier.problems == {}


async def test_the_set_is_read_again_when_a_token_names_an_unknown_key(issuer: Issuer) -> None:
    issuer.publish(jwks(old=OLD))
    async with started(issuer.url) as verifier:
        issuer.publish(jwks(new=NEW))
        assert answer(verifier, signed(NEW, "new")) == "token_key_unknown"
        await eventually(lambda: answer(verifier, signed(NEW, "new")) == "alice")
        assert answer(verifier, signed(OLD, "old")) == "token_key_unknown"


async def test_keys_are_read_again_in_time_without_a_token_that_names_them(issuer: Issuer) -> None:
    issuer.publish(jwks(old=OLD))
    async with started(issuer.url, refresh_s=0.02) as verifier:
        issuer.publish(jwks(new=NEW))
        await eventually(lambda: answer(verifier, signed(OLD)) == "token_algorithm")
        assert answer(verifier, signed(NEW, "new")) == "alice"


async def test_invented_key_names_do_not_make_us_hammer_the_issuer(issuer: Issuer) -> None:
    issuer.publish(jwks(old=OLD))
    loop = asyncio.get_running_loop()
    async with started(issuer.url, spacing_s=0.2) as verifier:
        begin = loop.time()
        tokens = (signed(OLD, f"name {number}") for number in count())

        def asked_twice_more() -> bool:
            assert answer(verifier, next(tokens)) == "token_key_unknown"
            return issuer.asked == 3

        await eventually(asked_twice_more)
        assert loop.time() - begin >= 0.4


async def test_one_token_with_an_unknown_key_causes_one_read(issuer: Issuer) -> None:
    issuer.publish(jwks(old=OLD))
    async with started(issuer.url) as verifier:
        assert answer(verifier, signed(OLD, "made up")) == "token_key_unknown"
        await eventually(lambda: issuer.asked == 2)
        await asyncio.sleep(0.1)  # nothing signals that no read comes; this is time for ten of them
        assert issuer.asked == 2


async def test_an_issuer_that_is_down_at_start_is_a_problem_until_it_is_back(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.respond("503 Service Unavailable")
    async with started(issuer.url, refresh_s=0.02) as verifier:
        assert "503" in verifier.problems["auth.jwks"]
        assert answer(verifier, signed(OLD, "old")) == "token_key_unknown"
        assert answer(verifier, signed(OLD)) == "token_key_unknown"
        await eventually(lambda: issuer.asked > 3)
        assert caplog.text.count("503") == 1
        issuer.publish(jwks(old=OLD))
        await eventually(lambda: not verifier.problems)
        assert answer(verifier, signed(OLD, "old")) == "alice"


async def test_an_unreachable_url_does_not_stop_the_start() -> None:
    async with started("http://127.0.0.1:1/jwks", hs256_secret=SECRET) as verifier:
        assert "http://127.0.0.1:1/jwks" in verifier.problems["auth.jwks"]
        assert answer(verifier, signed(SECRET)) == "alice"


@pytest.mark.parametrize("document", [b"", b"{}", b'{"keys": []}', b'{"keys": [7]}', b"[" * 5000, b"\xff", b"<html>"])
async def test_keys_stay_when_the_issuer_publishes_none(issuer: Issuer, document: bytes) -> None:
    issuer.publish(jwks(old=OLD))
    async with started(issuer.url, refresh_s=0.02) as verifier:
        issuer.publish(document)
        asked = issuer.asked
        await eventually(lambda: issuer.asked > asked + 1)
        assert answer(verifier, signed(OLD, "old")) == "alice"
        assert verifier.problems == {}


async def test_a_silent_issuer_does_not_delay_the_start(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_module, "FETCH_TIMEOUT_S", 0.05)
    issuer.answer = None
    async with started(issuer.url) as verifier:
        assert "0.05 s" in verifier.problems["auth.jwks"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 99999 \r\n\r\n",
    ],
)
async def test_an_issuer_that_sends_garbage_is_a_problem_until_it_stops(issuer: Issuer, garbage: bytes) -> None:
    issuer.answer = garbage
    async with started(issuer.url, refresh_s=0.02) as verifier:
        assert issuer.url in verifier.problems["auth.jwks"]
        issuer.publish(jwks(old=OLD))
        await eventually(lambda: answer(verifier, signed(OLD, "old")) == "alice")


@asynccontextmanager
async def successor(before: Verifier | None, **auth: Any) -> AsyncIterator[Verifier]:
    """The verifier of a server that takes over other settings while it runs."""
    verifier = await started_verifier(AuthSettings(**auth), before, spacing_s=0.01)
    assert verifier is not None
    try:
        yield verifier
    finally:
        await verifier.stop()


@pytest.mark.parametrize("place", ["the same", "http://127.0.0.1:1/jwks"])
async def test_published_keys_survive_a_reload_while_the_issuer_is_down_and_go_when_it_is_back(
    issuer: Issuer, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.publish(jwks(old=OLD))
    async with started(issuer.url) as before:
        issuer.respond("503 Service Unavailable")
        url = issuer.url if place == "the same" else place
        async with successor(before, jwks=url, issuer="someone else") as verifier:
            assert verifier.problems == {}
            assert answer(verifier, signed(OLD, "old")) == "token_issuer"
        async with successor(before, jwks=url) as verifier:
            assert answer(verifier, signed(OLD, "old")) == "alice"
            assert answer(verifier, signed(NEW, "new")) == "token_key_unknown"
            async with successor(verifier, jwks=url) as third:
                assert answer(third, signed(OLD, "old")) == "alice"
    assert [line["keys"] for line in log_lines(caplog, "jwks_keys_kept")] == [1, 1, 1]


async def test_a_key_set_that_was_down_at_a_reload_replaces_the_keys_of_before_once_it_is_read(issuer: Issuer) -> None:
    issuer.publish(jwks(old=OLD))
    async with started(issuer.url) as before:
        issuer.respond("503 Service Unavailable")
        async with successor(before, jwks=issuer.url, jwks_refresh_s=0.02) as verifier:
            issuer.publish(jwks(new=NEW))
            await eventually(lambda: answer(verifier, signed(NEW, "new")) == "alice")
            assert answer(verifier, signed(OLD, "old")) == "token_key_unknown"


async def test_a_reload_reads_a_key_set_that_answers_at_once(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.publish(jwks(old=OLD))
    async with started(issuer.url) as before:
        issuer.publish(jwks(new=NEW))
        async with successor(before, jwks=issuer.url) as verifier:
            assert answer(verifier, signed(NEW, "new")) == "alice"
            assert answer(verifier, signed(OLD, "old")) == "token_key_unknown"
    assert log_lines(caplog, "jwks_keys_kept") == []


async def test_a_first_key_set_that_is_down_keeps_no_server_that_worked_from_being_ready() -> None:
    secret = make_verifier(AuthSettings(hs256_secret=SECRET))
    async with successor(secret, jwks="http://127.0.0.1:1/jwks", hs256_secret=OTHER_SECRET) as verifier:
        assert verifier.problems == {}
        assert answer(verifier, signed(OTHER_SECRET)) == "alice"
        assert answer(verifier, signed(SECRET)) == "token_signature"
    async with successor(secret, jwks="http://127.0.0.1:1/jwks") as verifier:
        assert verifier.problems == {}
        assert answer(verifier, signed(SECRET)) == "alice"


async def test_a_server_that_never_read_a_key_set_is_not_ready_after_a_reload_either() -> None:
    async with (
        started("http://127.0.0.1:1/jwks") as before,
        successor(before, jwks="http://127.0.0.1:1/jwks", leeway_s=1) as verifier,
    ):
        assert list(verifier.problems) == ["auth.jwks"]


async def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    issuer.respond("302 Found", headers=f"Location: {issuer.url}\r\n")
    async with started(issuer.url) as verifier:
        assert issuer.url in verifier.problems["auth.jwks"]
        assert issuer.asked == 1


async def test_an_endless_response_is_not_read_to_its_end(issuer: Issuer) -> None:
    issuer.respond("200 OK", b" " * (JWKS_BYTES_MAX + 1))
    assert issuer.answer is not None
    issuer.answer = issuer.answer.replace(b"Content-Length: ", b"Content-Length: 9999")
    async with started(issuer.url) as verifier:
        assert "256 KiB" in verifier.problems["auth.jwks"]


async def test_secrets_that_an_issuer_publishes_are_not_used(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    secret = {"kty": "oct", "k": part(SECRET.encode()), "kid": "secret"}
    issuer.publish(json.dumps({"keys": [secret, OLD.jwk]}).encode())
    async with started(issuer.url) as verifier:
        assert answer(verifier, signed(SECRET, "secret")) == "token_algorithm"
        assert answer(verifier, signed(OLD)) == "alice"
    assert "key 0 of" in caplog.text
    assert "kty oct" in caplog.text
    assert secret["k"] not in caplog.text


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks(old=OLD))
    async with started(str(file), refresh_s=0.02) as verifier:
        assert answer(verifier, signed(OLD, "old")) == "alice"
        file.write_bytes(jwks(new=NEW))
        await eventually(lambda: answer(verifier, signed(NEW, "new")) == "alice")


async def test_a_file_may_hold_secrets(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": part(SECRET.encode()), "kid": "1"}]}))
    async with started(str(file)) as verifier:
        assert answer(verifier, signed(SECRET, "1")) == "alice"
        assert answer(verifier, signed(SECRET, "2")) == "token_key_unknown"


@pytest.mark.parametrize("extra", [{"use": "sig"}, {"key_ops": ["verify"]}, {"alg": "ES256"}, {"x5t": "?", "new": 1}])
def test_a_key_for_signatures_is_used(extra: dict[str, Any]) -> None:
    assert parse_jwks(json.dumps({"keys": [OLD.jwk | extra]}).encode(), "it", symmetric=False).ignored == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (OLD.jwk | {"use": "enc"}, "signatures"),
        (OLD.jwk | {"key_ops": ["sign"]}, "signatures"),
        (OLD.jwk | {"key_ops": 7}, "`$.key_ops`"),
        (OLD.jwk | {"alg": "ES384"}, "(alg)"),
        (OLD.jwk | {"alg": "HS256"}, "(alg)"),
        (OLD.jwk | {"crv": "P-384"}, "(kty, crv)"),
        (OLD.jwk | {"kty": "OKP"}, "(kty, crv)"),
        (OLD.jwk | {"kty": ["EC"]}, "`$.kty`"),
        (OLD.jwk | {"d": "AAAA"}, "private"),
        (OLD.jwk | {"d": 7}, "private"),
        (OLD.jwk | {"x": 7}, "`$.x`"),
        (OLD.jwk | {"x": None}, "x, y"),
        ({"kty": "RSA", "n": "AQAB"}, "n, e"),
        ({"kty": "OKP", "crv": "Ed25519"}, "x"),
        ({"kty": "oct"}, "k"),
        (OLD.jwk | {"x": "AAAA"}, "x, y"),
        (OLD.jwk | {"x": "é"}, "x, y"),
        (OLD.jwk | {"y": OLD.jwk["x"]}, "x, y"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "n, e"),
        ({"kty": "RSA", "n": part(b"\xff" * 128), "e": "AQAB"}, "1024"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, "x"),
        ({"kty": "oct", "k": part(b"short")}, "5 bytes"),
        ({"kty": "oct", "k": ""}, "k"),
        ({"kty": "ML-DSA"}, "(kty, crv)"),
        ({}, "`kty`"),
    ],
)
def test_a_key_that_cannot_be_used_is_ignored(wrong: dict[str, Any], named: str) -> None:
    read = parse_jwks(json.dumps({"keys": [wrong, NEW.jwk]}).encode(), "the set", symmetric=True)
    assert [key.algorithm for key in read.keys] == ["EdDSA"]
    assert len(read.ignored) == 1
    assert read.ignored[0].reason.startswith("key 0 of the set ")
    assert named in read.ignored[0].reason


def test_keys_of_a_set_beyond_the_limit_are_ignored() -> None:
    read = parse_jwks(json.dumps({"keys": [OLD.jwk] * (KEYS_MAX + 1)}).encode(), "it", symmetric=False)
    assert (len(read.keys), len(read.ignored)) == (KEYS_MAX, 1)


@pytest.mark.parametrize(
    "place",
    [
        "http://issuer.example/jwks",
        "http://127.0.0.1.example/jwks",
        "http://localhost@issuer.example/jwks",
        "file:///etc/jwks.json",
        "FILE:jwks.json",
        "ftp://issuer.example/jwks",
        "https:///jwks",
        "https://",
        "https://issuer.example:port/",
        "https://me:pass@issuer.example/jwks",
        "data:application/json,{}",
        "no such file.json",
        "/",
    ],
)
def test_a_location_that_cannot_be_trusted_is_an_error(place: str) -> None:
    with pytest.raises(OperatorError, match=r"^auth\.jwks") as caught:
        make_verifier(AuthSettings(jwks=place))
    assert "\n" not in str(caught.value)
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("place", ["https://issuer.example/jwks", "http://localhost:1/", "http://[::1]:1/x"])
async def test_a_location_that_can_be_trusted_is_accepted(place: str) -> None:
    verifier = make_verifier(AuthSettings(jwks=place))
    assert verifier is not None
    await verifier.stop()
