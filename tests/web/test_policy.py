"""Which pages may use a listener: foreign ones, and foreign ones under a name that leads to this machine."""

import pytest

from touchline_server.web.policy import HOST_REFUSED, ORIGIN_REFUSED, Sender, WebPolicy

ALLOWED = None


def code_of(policy: WebPolicy, sender: Sender, *, browsers_send_origin: bool = True) -> str | None:
    refusal = policy.refusal(sender, browsers_send_origin=browsers_send_origin)
    return None if refusal is None else refusal.code


def policy_of(*, hosts: list[str] | None = None, origins: list[str] | None = None, listener: str = "::") -> WebPolicy:
    return WebPolicy(hosts=hosts or [], origins=origins or [], listener=listener, machine="edge.corp.example")


@pytest.mark.parametrize(
    ("host", "origin", "code"),
    [
        ("evil.example:8080", "http://evil.example:8080", HOST_REFUSED),  # rebinding
        ("evil.example:8080", "http://evil.example", HOST_REFUSED),
        ("evil.example", "https://evil.example", ALLOWED),  # it has a certificate, so it is a proxy's name
        ("127.0.0.1:8080", "http://evil.example", ORIGIN_REFUSED),
        ("127.0.0.1:8080", "https://live.example.org", ORIGIN_REFUSED),  # a proxy that does not pass Host
        ("127.0.0.1:8080", "http://127.0.0.1:3000", ALLOWED),
        ("localhost:8080", "http://localhost", ALLOWED),
        ("[::1]:8080", "http://[::1]", ALLOWED),
        ("touchline", "http://touchline", ALLOWED),
        ("edge.corp.example:8080", "http://edge.corp.example", ALLOWED),
        (None, "http://evil.example", ORIGIN_REFUSED),
        ("", "null", ORIGIN_REFUSED),
        ("evil.example", None, ALLOWED),  # not a browser
    ],
)
def test_a_websocket_needs_a_page_of_the_same_host_and_a_host_that_is_not_an_attackers(
    host: str | None, origin: str | None, code: str | None
) -> None:
    assert code_of(policy_of(), Sender(host, origin, None)) == code


@pytest.mark.parametrize(
    ("host", "fetch_site", "code"),
    [
        ("evil.example:8081", None, HOST_REFUSED),
        ("live.example.org", "same-origin", ALLOWED),  # over TLS
        ("10.1.2.3:8081", None, ALLOWED),
        ("touchline:8081", None, ALLOWED),
        (None, None, ALLOWED),  # browsers always send it
        ("edge.corp.example", None, ALLOWED),
    ],
)
def test_a_read_without_an_origin_needs_a_known_host_unless_the_page_is_secure(
    host: str | None, fetch_site: str | None, code: str | None
) -> None:
    assert code_of(policy_of(), Sender(host, None, fetch_site), browsers_send_origin=False) == code


def test_where_only_this_machine_gets_names_that_a_local_network_resolves_are_not_known() -> None:
    local = policy_of(listener="127.0.0.1")
    for name in ("touchline:8080", "box.local:8080"):
        page = Sender(name, f"http://{name}", None)
        assert (code_of(local, page), code_of(policy_of(), page)) == (HOST_REFUSED, ALLOWED)
    assert code_of(local, Sender("edge.corp.example:8080", "http://edge.corp.example", None)) is ALLOWED
    assert code_of(policy_of(listener="not a name!"), Sender("localhost", "http://localhost", None)) is ALLOWED


def test_hosts_and_origins_that_are_listed_are_known() -> None:
    rebound = Sender("live.example.org", "http://live.example.org", None)
    read = Sender("live.example.org:8081", None, None)
    for policy in (
        policy_of(hosts=["*.example.org"]),
        policy_of(origins=["https://live.example.org"]),
        policy_of(hosts=["*"]),
    ):
        assert code_of(policy, rebound) is ALLOWED
        assert code_of(policy, read, browsers_send_origin=False) is ALLOWED
    assert code_of(policy_of(origins=["*"]), Sender("evil.example", "http://evil.example", None)) is ALLOWED


def test_a_refusal_names_what_an_operator_has_to_change_and_no_control_characters() -> None:
    policy = policy_of()
    host = policy.refusal(Sender("Live.example.org:80", None, None), browsers_send_origin=False)
    assert host is not None
    assert 'hosts = ["live.example.org"]' in host.message
    origin = policy.refusal(Sender("127.0.0.1:8080", "https://live.example.org", None), browsers_send_origin=True)
    assert origin is not None
    assert all(part in origin.message for part in ("https://live.example.org", "127.0.0.1:8080", "proxy", "origins"))
    hostile = policy.refusal(Sender("\x9b31m" + "x" * 9_000, "\x9bx", None), browsers_send_origin=True)
    assert hostile is not None
    assert hostile.message.isascii()
    assert hostile.message.isprintable()
    assert len(hostile.message) < 600
