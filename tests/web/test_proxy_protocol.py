"""The header of the PROXY protocol, version 2."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from touchline_server.web.addresses import Endpoint
from touchline_server.web.proxy_protocol import SIGNATURE, BadHeader, Fault, ProxyHeader, parse_header

TCP4, TCP6, UNIX, UDP4 = 0x11, 0x21, 0x31, 0x12
LOCAL, PROXY = 0x20, 0x21


def header(command: int, family: int, rest: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + len(rest).to_bytes(2) + rest


def addresses(client: str, port: int) -> bytes:
    packed = ipaddress.ip_address(client).packed
    return packed + bytes(len(packed)) + port.to_bytes(2) + (443).to_bytes(2)


TLV = b"\x04\x00\x03abc" + b"\x20\x00\x05\x01\x00\x00\x00\x00"
V4 = header(PROXY, TCP4, addresses("192.0.2.1", 4711))
V6 = header(PROXY, TCP6, addresses("2001:db8::1", 4711) + TLV)


@pytest.mark.parametrize(
    ("data", "client"),
    [
        (V4, Endpoint("192.0.2.1", 4711)),
        (V6, Endpoint("2001:db8::1", 4711)),
        (header(PROXY, TCP6, addresses("::ffff:192.0.2.1", 1)), Endpoint("192.0.2.1", 1)),
        (header(PROXY, TCP4, addresses("192.0.2.1", 1) + bytes(65_000)), Endpoint("192.0.2.1", 1)),
        (header(PROXY, UNIX, bytes(216)), None),
        (header(PROXY, 0x00, b""), None),
        (header(PROXY, 0x00, TLV), None),
        (header(LOCAL, 0x00, b""), None),
        (header(LOCAL, TCP4, addresses("192.0.2.1", 4711)), None),
        (header(LOCAL, 0xEE, b"anything"), None),
    ],
)
def test_a_header_names_the_client(data: bytes, client: Endpoint | None) -> None:
    assert parse_header(data) == ProxyHeader(len(data), client)
    assert parse_header(data + b"GET /ws") == ProxyHeader(len(data), client)


@pytest.mark.parametrize("data", [V4, V6, header(LOCAL, 0, b"")])
def test_half_a_header_is_waited_for(data: bytes) -> None:
    assert [parse_header(data[:end]) for end in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"GET /ws HTTP/1.1\r\n", Fault.MISSING),
        (b"\x16\x03\x01", Fault.MISSING),
        (b"\r\n\r\nGET", Fault.MISSING),
        (b"P", Fault.VERSION_1),
        (b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n", Fault.VERSION_1),
        (b"POST /", Fault.MISSING),
        (header(0x11, TCP4, addresses("192.0.2.1", 1)), Fault.INVALID),
        (header(0x22, TCP4, addresses("192.0.2.1", 1)), Fault.INVALID),
        (header(PROXY, UDP4, addresses("192.0.2.1", 1)), Fault.INVALID),
        (header(PROXY, TCP4, bytes(11)), Fault.INVALID),
        (header(PROXY, TCP6, addresses("192.0.2.1", 1)), Fault.INVALID),
        (header(PROXY, UNIX, bytes(215)), Fault.INVALID),
    ],
)
def test_anything_else_is_refused_by_its_fault(data: bytes, fault: Fault) -> None:
    with pytest.raises(BadHeader) as error:
        parse_header(data)
    assert error.value.fault is fault


@given(st.binary(max_size=64), st.integers(0, 28))
@example(b"", 16)
def test_no_bytes_raise_anything_else(data: bytes, kept: int) -> None:
    for candidate in (data, SIGNATURE + data, V4[:kept] + data):
        try:
            parsed = parse_header(candidate)
        except BadHeader:
            continue
        assert parsed is None or parsed.size_bytes <= len(candidate)


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300))
def test_what_follows_the_header_changes_nothing(command: int, family: int, rest: bytes) -> None:
    data = header(command, family, rest)

    def result(data: bytes) -> ProxyHeader | Fault | None:
        try:
            return parse_header(data)
        except BadHeader as error:
            return error.fault

    assert result(data) == result(data + b"GET")
