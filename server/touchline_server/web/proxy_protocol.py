"""The header of the PROXY protocol, version 2, with which a proxy names the client before anything else is sent.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2. Version 1, which is text, is refused by name:
a setting of the proxy chooses the version (HAProxy ``send-proxy-v2``), and one of the two is enough.

Pure.
"""

import ipaddress
from enum import StrEnum
from typing import NamedTuple

from .addresses import Endpoint, parse_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
HEADER_BYTES = 16
"""Up to the addresses; the last two bytes say how long the rest is."""

_VERSION_1 = b"PROXY "
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_WITHOUT_ADDRESS = {0x00: 0, 0x31: 216, 0x32: 216}
"""Families that name no address that we could count by, and the bytes of theirs: unspecified, and Unix sockets."""
_ADDRESS_BYTES = {_TCP4: 4, _TCP6: 16}


class Fault(StrEnum):
    """What is wrong with the beginning of a connection."""

    MISSING = "missing"
    VERSION_1 = "version_1"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    UNEXPECTED = "unexpected"


class BadHeader(ValueError):
    """The connection does not begin with a valid header."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def is_header(data: bytes) -> bool:
    """Whether ``data`` begins with a header of either version, where none is expected."""
    return data.startswith((SIGNATURE, _VERSION_1))


class ProxyHeader(NamedTuple):
    """A header of ``size_bytes``. ``client`` is None if the proxy speaks for itself (a health check), or for somebody
    without an IP address."""

    size_bytes: int
    client: Endpoint | None


def parse_header(data: bytes) -> ProxyHeader | None:
    """The header that ``data`` begins with; None if it is not complete yet. Extensions (TLV) are skipped.

    Raises:
        BadHeader: there is none, or an invalid one.
    """
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        is_v1 = _VERSION_1.startswith(data[: len(_VERSION_1)])
        raise BadHeader(Fault.VERSION_1 if is_v1 else Fault.MISSING)
    if len(data) < HEADER_BYTES:
        return None
    command, family = data[12], data[13]
    size_bytes = HEADER_BYTES + int.from_bytes(data[14:16])
    if command not in (_LOCAL, _PROXY):
        raise BadHeader(Fault.INVALID)
    if command == _PROXY and size_bytes < HEADER_BYTES + _addresses_bytes(family):
        raise BadHeader(Fault.INVALID)
    if len(data) < size_bytes:
        return None
    return ProxyHeader(size_bytes, _client(data, family) if command == _PROXY else None)


def _addresses_bytes(family: int) -> int:
    """How many bytes the addresses and ports take: two of each."""
    if family in _WITHOUT_ADDRESS:
        return _WITHOUT_ADDRESS[family]
    if family not in _ADDRESS_BYTES:
        raise BadHeader(Fault.INVALID)
    return 2 * (_ADDRESS_BYTES[family] + 2)


def _client(data: bytes, family: int) -> Endpoint | None:
    length = _ADDRESS_BYTES.get(family)
    if length is None:
        return None
    ports = HEADER_BYTES + 2 * length
    address = ipaddress.ip_address(data[HEADER_BYTES : HEADER_BYTES + length])
    return Endpoint(parse_address(str(address)), int.from_bytes(data[ports : ports + 2]))
