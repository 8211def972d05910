"""What an entry of `origins` and of `hosts` means, and which entries are errors."""

import pytest

from touchline_server.web.host_names import HostPattern, is_private, normal_host
from touchline_server.web.origins import Origins
from touchline_server.web.policy import Hosts


@pytest.mark.parametrize(
    ("entry", "matching", "others"),
    [
        (
            "https://example.org",
            "https://example.org",
            "http://example.org https://example.org:8443 https://a.example.org",
        ),
        ("https://example.org:443", "https://example.org", "https://example.org:444"),
        ("http://example.org:80", "http://example.org", "https://example.org"),
        ("https://example.org:80", "https://example.org:80", "https://example.org"),
        ("HTTPS://Example.ORG", "https://example.org", "https://example.com"),
        ("https://example.org.", "https://example.org https://example.org.", "https://org"),
        (
            "https://*.example.org",
            "https://a.example.org https://a.b.example.org",
            "https://example.org https://aexample.org",
        ),
        ("https://*.example.org:8443", "https://a.example.org:8443", "https://a.example.org"),
        ("https://*.Bücher.example", "https://a.xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://localhost:*", "http://localhost http://localhost:3000", "https://localhost http://a.localhost"),
        ("http://*.localhost:3000", "http://a.localhost:3000", "http://localhost:3000"),
        ("https://Bücher.example", "https://xn--bcher-kva.example", "https://bucher.example"),
        ("https://faß.example", "https://xn--fa-hia.example", "https://fass.example"),
        ("https://日本語。example", "https://xn--wgv71a119e.example", "https://example"),
        ("https://xn--53h.example", "https://xn--53h.example", "https://example"),
        ("http://[::1]:80", "http://[::1]", "http://[::2]"),
        ("http://[0:0::1]:3000", "http://[::1]:3000", "http://[::1]"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000", "http://127.0.0.1"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh", "chrome-extension://abcdefg"),
        ("moz-extension://*", "moz-extension://0f-1 moz-extension://a", "chrome-extension://a https://a null"),
        ("Capacitor://*", "capacitor://localhost", "capacitor://localhost:81 http://localhost"),
        ("capacitor://*:*", "capacitor://localhost capacitor://localhost:81", "ionic://localhost"),
        ("https://-a.example.org", "https://-a.example.org", "https://a.example.org"),
        ("null", "null", "https://null"),
        ("file://", "file://", "null"),
        ("*", "https://example.org null file:// nonsense", ""),
    ],
)
def test_an_origin_matches_what_is_meant(entry: str, matching: str, others: str) -> None:
    origins = Origins([entry])
    assert [origin for origin in matching.split() if not origins.include(origin)] == []
    assert [origin for origin in others.split() if origins.include(origin)] == []


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("example.org", "https://example.org"),
        ("https://example.org/", "https://example.org/"),
        ("https://example.org?x", "path"),
        ("https://user@example.org", "https://user@example.org"),
        ("https://", "https://"),
        ("", "''"),
        ("*.example.org", "*.example.org"),
        ("*://example.org", "*://example.org"),
        ("https://*", "*.example.org"),
        ("https://*.org", "top-level"),
        ("https://*.127.0.0.1", "address"),
        ("https://app-*.example.org", "app-*.example.org"),
        ("https://a.*.example.org", "a.*.example.org"),
        ("https://*example.org", "*.example.org"),
        ("wss://example.org", "https://example.org"),
        ("ftp://example.org", "ftp"),
        ("file://example.org", "file://"),
        ("data://*", "data"),
        ("chrome-extension://a*", "chrome-extension://*"),
        ("moz-extension://*.a", "moz-extension://*"),
        ("https://-a.org", "-a.org"),
        ("https://a-.org", "a-.org"),
        ("https://*.-a.org", "*.-a.org"),
        ("ws://example.org", "http://example.org"),
        ("https://example.org:", "65535"),
        ("https://example.org:0", "65535"),
        ("https://example.org:99999", "65535"),
        ("https://example.org:https", "'https'"),
        ("https://exa mple.org", "exa mple.org"),
        ("https://exam%70le.org", "exam%70le.org"),
        ("https://a..org", "a..org"),
        ("https://127.1", "127.1"),
        ("https://[::1", "[::1"),
        ("https://[::1%25eth0]", "zone"),
        ("https://☕.example", "xn--"),
        (f"https://{'a' * 64}.org", "a" * 64),
    ],
)
def test_an_origin_that_no_browser_sends_is_an_error_that_names_it(entry: str, named: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - it is the only error
        Origins(["https://good.example", entry])
    assert named in str(caught.value)
    assert "good" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "known", "unknown"),
    [
        (
            "live.example.org",
            "live.example.org LIVE.example.org:8080 live.example.org.:80",
            "example.org a.live.example.org",
        ),
        ("*.Example.org", "a.example.org a.b.example.org:1", "example.org evilexample.org"),
        ("Bücher.example", "xn--bcher-kva.example:80", "bucher.example"),
        ("*", "evil.example nonsense..", ""),
    ],
)
def test_a_listed_host_is_known_whatever_its_port(entry: str, known: str, unknown: str) -> None:
    hosts = Hosts([entry])
    assert [host for host in known.split() if not hosts.know(host)] == []
    assert [host for host in unknown.split() if hosts.know(host)] == []


@pytest.mark.parametrize(
    "entry", ["https://example.org", "example.org:80", "example.org/", "a*.example.org", "", "*.org"]
)
def test_an_entry_that_is_not_a_host_name_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match=r"host"):
        Hosts([entry])


def test_a_pattern_for_every_page_of_a_scheme_makes_no_host_known() -> None:
    assert Origins(["moz-extension://*", "chrome-extension://evil", "https://a.example"]).hosts == [
        HostPattern.parse("a.example")
    ]


def test_names_that_anybody_can_register_are_not_private() -> None:
    private = "127.0.0.1 10.1.2.3:80 [::1]:8080 localhost localhost:1 a.localhost touchline box.local a.internal"
    public = "evil.example localhost.evil.example 127.0.0.1.evil.example 127.0.0.1.nip.io local.evil.org :80"
    nothing = Hosts([], private=True)
    assert [host for host in private.split() if not nothing.know(host)] == []
    assert [host for host in public.split() if nothing.know(host)] == []
    assert is_private("pi.home.arpa")
    assert is_private(normal_host("touchline.default.svc.cluster.local"))


def test_a_listener_that_other_machines_cannot_reach_is_known_by_local_names_alone() -> None:
    local = "127.0.0.1:80 10.1.2.3 [::1] localhost:8080 a.localhost"
    elsewhere = "touchline box.local a.internal pi.home.arpa x.test evil.example"
    nothing = Hosts([])
    assert [host for host in local.split() if not nothing.know(host)] == []
    assert [host for host in elsewhere.split() if nothing.know(host)] == []


def test_a_pattern_for_hosts_below_a_domain_leaves_out_the_domain() -> None:
    pattern = HostPattern.parse("*.example.org")
    assert [pattern.matches(host) for host in ("a.example.org", "example.org")] == [True, False]
