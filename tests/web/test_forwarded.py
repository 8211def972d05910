"""The client behind trusted proxies: what a client writes into the headers itself is never believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_server.web.addresses import Endpoint, Networks
from touchline_server.web.forwarded import FORWARDED, HOPS_MAX, X_FORWARDED_FOR, client_of

TRUSTED = Networks(["10.0.0.0/8", "fd00::/8"])
CLIENT = Endpoint("192.0.2.1")


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["192.0.2.1"], CLIENT),
        (["192.0.2.1, 10.0.0.1"], CLIENT),
        (["192.0.2.1", "10.0.0.1"], CLIENT),
        (["203.0.113.9, 192.0.2.1, 10.0.0.1"], CLIENT),
        (["203.0.113.9", "192.0.2.1, 10.0.0.2", "10.0.0.1"], CLIENT),
        (["junk, 192.0.2.1"], CLIENT),
        (["10.0.0.9, 192.0.2.1"], CLIENT),
        (["192.0.2.1:4711,10.0.0.1:80"], Endpoint("192.0.2.1", 4711)),
        (["[2001:db8::1]:80, fd00::1"], Endpoint("2001:db8::1", 80)),
        (["::ffff:192.0.2.1, ::ffff:10.0.0.1"], CLIENT),
        (["192.0.2.1, , 10.0.0.1,"], CLIENT),
        (["10.0.0.2, 10.0.0.1"], Endpoint("10.0.0.2")),
        ([], None),
        (["", " , "], None),
    ],
)
def test_the_rightmost_address_that_is_not_trusted_is_the_client(values: list[str], client: Endpoint | None) -> None:
    assert client_of(values, X_FORWARDED_FOR, TRUSTED) == (client, None)


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["for=192.0.2.1"], CLIENT),
        (["For=192.0.2.1;proto=https;by=10.0.0.1"], CLIENT),
        (['for="192.0.2.1:4711", for=10.0.0.1'], Endpoint("192.0.2.1", 4711)),
        (['for="[2001:db8::1]:80";proto=https, for="[fd00::1]"'], Endpoint("2001:db8::1", 80)),
        (["by=10.0.0.1; for=192.0.2.1 ;host=live.example.org"], CLIENT),
        (['for=203.0.113.9;host="a,for=198.51.100.1", for=192.0.2.1'], CLIENT),
        (['for="203.0.113.9, for=192.0.2.1'], CLIENT),
        (['for="', "for=192.0.2.1"], CLIENT),
        (['x="\\", for=192.0.2.1;by="10.0.0.1"'], CLIENT),
        (['for=192.0.2.1;host="x\\",for=203.0.113.9;a=\\""'], CLIENT),
        (['for=192.0.2.1;host="a\\"b"'], CLIENT),
        (['for="192.0.2.1\\:4711";host="\\\\"'], Endpoint("192.0.2.1", 4711)),
    ],
)
def test_the_same_holds_for_forwarded(values: list[str], client: Endpoint) -> None:
    assert client_of(values, FORWARDED, TRUSTED) == (client, None)


@pytest.mark.parametrize(
    ("header", "value", "entry"),
    [
        (X_FORWARDED_FOR, "192.0.2.1, unknown", "unknown"),
        (X_FORWARDED_FOR, "192.0.2.1 10.0.0.1", "192.0.2.1 10.0.0.1"),
        (X_FORWARDED_FOR, "for=192.0.2.1", "for=192.0.2.1"),
        (FORWARDED, "for=unknown", "for=unknown"),
        (FORWARDED, "for=192.0.2.1, for=_hidden", "for=_hidden"),
        (FORWARDED, "192.0.2.1", "192.0.2.1"),
        (FORWARDED, "for=192.0.2.1;for=192.0.2.2", "for=192.0.2.1;for=192.0.2.2"),
        (FORWARDED, 'for=""', 'for=""'),
        (FORWARDED, "proto=https", "proto=https"),
    ],
)
def test_an_entry_that_names_nobody_ends_the_search(header: str, value: str, entry: str) -> None:
    assert client_of([value], header, TRUSTED) == (None, entry)


def test_what_is_known_before_a_bad_entry_still_counts() -> None:
    assert client_of(["192.0.2.1, unknown, 10.0.0.1"], X_FORWARDED_FOR, TRUSTED) == (Endpoint("10.0.0.1"), "unknown")


def test_the_search_ends_after_a_bounded_number_of_proxies() -> None:
    value = ", ".join(["192.0.2.1", *["10.0.0.1"] * HOPS_MAX])
    assert client_of([value], X_FORWARDED_FOR, TRUSTED).endpoint == Endpoint("10.0.0.1")


@pytest.mark.parametrize("header", [X_FORWARDED_FOR, FORWARDED])
@given(lies=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), max_size=5))
def test_nothing_that_a_client_writes_hides_what_the_proxy_adds(header: str, lies: list[str]) -> None:
    added = "192.0.2.1" if header == X_FORWARDED_FOR else "for=192.0.2.1"
    assert client_of([*lies, added], header, TRUSTED) == (CLIENT, None)
    assert client_of([", ".join([*lies, added])], header, TRUSTED) == (CLIENT, None)
