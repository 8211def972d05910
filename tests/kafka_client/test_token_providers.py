"""The token providers that come with Touchline: the client-credentials grant, and AWS MSK IAM over a fake signer."""

import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import ClassVar

import pytest

from touchline_kafka.access.client_credentials import ClientCredentials
from touchline_kafka.access.msk_iam import REGIONS, SIGNER, MskIam
from touchline_kafka.access.tokens import TokenRefused

ANSWERS = [(200, b'{"access_token": "abc", "expires_in": 60}')]


class _Handler(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["Authorization"], body))
        status, answer = ANSWERS[-1]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_grant_sends_the_clients_secret_once_encoded_and_returns_its_token(url: str) -> None:
    token = ClientCredentials(url, "a b", "p:w", scope="kafka", extensions={"pool": "x"})()
    assert (token.value, token.principal, token.extensions) == ("abc", "a b", {"pool": "x"})
    assert 0 < token.expires_s - time.time() <= 60
    assert _Handler.seen[-1] == ("Basic YStiOnAlM0F3", b"grant_type=client_credentials&scope=kafka")


@pytest.mark.parametrize(("status", "kind"), [(401, TokenRefused), (429, OSError), (503, OSError)])
def test_a_refused_client_is_told_from_an_endpoint_that_is_away(
    url: str, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[Exception]
) -> None:
    monkeypatch.setitem(globals(), "ANSWERS", [(status, b'{"error": "invalid_client"}')])
    with pytest.raises(kind, match=f"{status}.*invalid_client") as refused:
        ClientCredentials(url, "ada", "hush", extensions={})()
    assert "hush" not in str(refused.value)


def test_the_signer_of_aws_is_asked_for_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REGIONS[0], "eu-central-1")
    signer = SimpleNamespace(generate_auth_token=lambda region: (f"token-{region}", 5_000))
    monkeypatch.setitem(sys.modules, SIGNER, SimpleNamespace(MSKAuthTokenProvider=signer))
    token = MskIam()()
    assert (token.value, token.expires_s) == ("token-eu-central-1", 5.0)


def test_a_missing_region_or_signer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in REGIONS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TokenRefused, match=REGIONS[0]):
        MskIam()()
    monkeypatch.setenv(REGIONS[1], "eu-central-1")
    monkeypatch.setitem(sys.modules, SIGNER, None)
    with pytest.raises(TokenRefused, match="aws-msk-iam-sasl-signer-python"):
        MskIam()()
