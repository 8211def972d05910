"""Addresses: one spelling each, what counts as one client's network, and lists of networks."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_server.web.addresses import Endpoint, Networks, network_of, parse_address, parse_endpoint

ADDRESSES = st.ip_addresses().filter(lambda a: a.version == 4 or a.ipv4_mapped is None)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:0201", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_has_one_spelling(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2", "192.0.2.01", "192.0.2.256", "::1::", "1", "192.0.2.1/8"])
def test_anything_else_is_not_an_address(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which text is wrong is given
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.1", Endpoint("192.0.2.1")),
        ("192.0.2.1:80", Endpoint("192.0.2.1", 80)),
        ("2001:db8::1", Endpoint("2001:db8::1")),
        ("[2001:db8::1]", Endpoint("2001:db8::1")),
        ("[2001:db8::1]:65535", Endpoint("2001:db8::1", 65535)),
        ("[::ffff:192.0.2.1]:80", Endpoint("192.0.2.1", 80)),
    ],
)
def test_an_endpoint_may_have_a_port(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "unknown",
        "_hidden",
        "[192.0.2.1]:80",
        "[2001:db8::1",
        "[2001:db8::1]80",
        "192.0.2.1:http",
        "192.0.2.1:65536",
        "192.0.2.1:-1",
        "192.0.2.1:²",
        "192.0.2.1:" + "9" * 5000,
    ],
)
def test_other_texts_are_not_endpoints(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which text is wrong is given
        parse_endpoint(text)


@given(ADDRESSES, st.none() | st.integers(0, 65535))
def test_an_endpoint_is_read_as_it_was_written(address: ipaddress.IPv4Address, port: int | None) -> None:
    endpoint = Endpoint(str(address), port)
    assert parse_endpoint(str(endpoint)) == endpoint


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return
    assert network_of(endpoint.host)


def test_an_ipv6_customer_counts_as_one_address() -> None:
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::") != network_of("2001:db8:1:2::")
    assert network_of("192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    ("entries", "address", "is_in"),
    [
        ([], "10.0.0.1", False),
        (["10.0.0.0/8"], "10.255.0.1", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.1"], "10.0.0.1", True),
        (["fd00::/8"], "fd12::1", True),
        (["fd00::/8", "10.0.0.0/8"], "10.0.0.1", True),
        (["::ffff:10.0.0.0/104"], "10.0.0.1", True),
        (["::/0"], "10.0.0.1", False),
    ],
)
def test_networks_contain_their_addresses(entries: list[str], address: str, is_in: bool) -> None:
    assert (address in Networks(entries)) is is_in


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "proxy.internal", "", "10.0.0.0/33", "10.0.0.0-10.0.0.9"])
def test_an_entry_that_is_not_a_network_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which text is wrong is given
        Networks([entry])
