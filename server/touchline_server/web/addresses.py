"""Addresses of clients: one spelling for each, what counts as one client's network, and lists of networks.

Pure. An address is a string without a port, as `ipaddress` writes it.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

IPV6_PREFIX_BITS = 64
"""What an IPv6 customer has at least (RFC 6177): with 2^64 addresses each, counting those would limit nobody."""

CACHED_ADDRESSES = 1024
"""Answers of `Networks` that are kept: proxies are few, and each of them opens many connections."""

PORT_MAX = 65_535

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Endpoint(NamedTuple):
    """The other end of a connection; ``port`` is None if it is not known."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> str:
    """The usual spelling of an address. An IPv4 address that is mapped into IPv6, as a socket for both has it, becomes
    that IPv4 address; a zone (``%eth0``) is dropped.

    Raises:
        ValueError: it is not an address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


def parse_endpoint(text: str) -> Endpoint:
    """An address, with a port or without: ``192.0.2.1:80``, ``2001:db8::1``, ``[2001:db8::1]:80``.

    Raises:
        ValueError: it is neither.
    """
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r:.80} has no matching bracket")
        port = rest[1:]
        if "." in host and ":" not in host:
            raise ValueError(f"{text!r:.80} is not an IPv6 address")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    return Endpoint(parse_address(host), _port(port))


def _port(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and int(text[:6]) <= PORT_MAX):
        raise ValueError(f"{text!r:.80} is not a port")
    return int(text[:6]) if text else None


def network_of(address: str) -> str:
    """What counts as one address where connections are counted: an IPv4 address, or an IPv6 network of 64 bits."""
    if ":" not in address:
        return address
    packed = ipaddress.IPv6Address(address).packed[: IPV6_PREFIX_BITS // 8]
    return f"{ipaddress.IPv6Address(packed.ljust(16, bytes(1)))}/{IPV6_PREFIX_BITS}"


class Networks:
    """Addresses and networks, such as ``10.0.0.1``, ``10.0.0.0/8`` and ``fd00::/8``.

    Raises:
        ValueError: an entry is not one.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._networks = [_network(entry) for entry in entries]
        self._contains = lru_cache(CACHED_ADDRESSES)(self._look_up)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        return bool(self._networks) and self._contains(address)

    @property
    def has_everybody(self) -> bool:
        """Whether one of them is all addresses of IPv4 or IPv6."""
        return any(network.prefixlen == 0 for network in self._networks)

    def _look_up(self, text: str) -> bool:
        address = ipaddress.ip_address(text)
        return any(address in network for network in self._networks)


def _network(entry: str) -> _Network:
    try:
        network = ipaddress.ip_network(entry)
    except ValueError as error:
        raise ValueError(f"{entry!r:.80} is not an address or a network such as 10.0.0.0/8: {error}") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:  # noqa: PLR2004 - RFC 4291, section 2.5.5.2
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network
