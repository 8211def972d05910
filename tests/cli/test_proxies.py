"""The environment's proxies and certificates: used for other machines, never for this one, and named when unusable."""

import httpx
import pytest

import touchline
from touchline.errors import BadUrl
from touchline_protocol.errors import OperatorError
from touchline_protocol.loopback import is_loopback
from touchline_server.auth.jwks import jwks_source
from touchline_server.cli.publish_targets.http import HttpTarget
from touchline_server.http_client import http_client

REMOTE = "https://issuer.example/jwks"
SOCKS = "socks5://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def proxied(url: str) -> bool:
    client = http_client(httpx.URL(url), headers={}, timeout_s=1.0)
    return any(transport is not None for transport in client._mounts.values())


def test_a_proxy_is_used_for_other_machines_that_are_not_excluded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert proxied(REMOTE)
    assert not any(proxied(f"http://{host}:8081") for host in ("127.0.0.1", "127.8.9.1", "localhost", "[::1]"))
    monkeypatch.setenv("NO_PROXY", "issuer.example")
    assert not proxied(REMOTE)


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("ALL_PROXY", SOCKS, "httpx[socks]"),
        ("HTTPS_PROXY", "nothing://here", "HTTPS_PROXY"),
        ("HTTPS_PROXY", "http://here:port", "HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/nonexistent", "SSL_CERT_FILE"),
        ("SSLKEYLOGFILE", "/nonexistent/file", "SSLKEYLOGFILE"),
    ],
)
def test_what_cannot_be_used_is_named_where_it_would_be_used(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(OperatorError) as published:
        HttpTarget("https://touchline.example")
    with pytest.raises(OperatorError, match=r"^auth\.jwks: ") as fetched:
        jwks_source(REMOTE)
    assert named in str(published.value)
    assert named in str(fetched.value)
    HttpTarget("http://127.0.0.1:8081")
    jwks_source("http://localhost:1/jwks")


async def test_the_sdk_names_a_proxy_that_it_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", SOCKS)
    with pytest.raises(BadUrl, match="NO_PROXY"):
        async with touchline.connect("wss://touchline.example/ws"):
            pass


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1"])
def test_this_machine_is_recognised(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1.example", "localhost.example", "10.0.0.1", "0.0.0.0", "::", "example.org", "edge-1", ""]
)
def test_another_machine_is_not_taken_for_this_one(host: str) -> None:
    assert not is_loopback(host)
