"""Host names as browsers send them, and patterns for them.

A browser sends a host in lower case and in ASCII (UTS 46, non-transitional), and an address in its shortest form. Names
are compared in that form, whatever form they were configured in.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

import idna

HOST_CHARS_MAX = 253
"""RFC 1035, section 2.3.4: 255 octets with the length of each label and the root."""

LOCAL_DOMAIN = "localhost"
"""Browsers resolve it and the names in it to the machine itself (RFC 6761, section 6.3)."""
PRIVATE_DOMAINS = (LOCAL_DOMAIN, "local", "internal", "test", "home.arpa")
"""Domains in which nobody can register a name: RFC 6761, RFC 6762, RFC 8375, and ICANN's reservation of 2024. An
attacker's page can have an address of this machine, but not under such a name, unless the attacker is in the same
network, and answers for it there. Kubernetes uses ``cluster.local``."""

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_ENDS_IN_A_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_PARSED_MAX = 1_024
"""Names in the cache of `host_of`: all clients of an edge send the same few, and joins come in storms."""
FIELD_CHARS_MAX = 300
"""A header with a host and a port has no more. Longer ones are not cached, since anybody can send them."""


def normal_host(text: str) -> str:
    """Return the host as a browser sends it, an IPv6 address without its brackets.

    Raises:
        ValueError: the text is not a host name or an address.
    """
    if ":" in text:
        return _ipv6(text)
    name = _ascii(text).removesuffix(".")
    if _ENDS_IN_A_NUMBER.fullmatch(name):
        return str(IPv4Address(name))
    if len(name) > HOST_CHARS_MAX or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"{text!r} is not a host name")
    return name


def _ipv6(text: str) -> str:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = IPv6Address(inner)
    except ValueError:
        raise ValueError(f"{text!r} is not a host name or an address; write it without scheme and port") from None
    if address.scope_id is not None:
        raise ValueError(f"{text!r} has a zone, which a URL cannot have")
    return address.compressed


def _ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError:  # browsers accept some more, such as emoji
        raise ValueError(f"{text!r} is not a host name, or has to be written as browsers send it: xn--…") from None


def host_of(field: str) -> str | None:
    """The host in a header ``Host``, without its port; None if it has none."""
    return _parsed(field) if len(field) <= FIELD_CHARS_MAX else None


@lru_cache(_PARSED_MAX)
def _parsed(field: str) -> str | None:
    try:
        return normal_host(urlsplit(f"//{field}").hostname or "")
    except ValueError:
        return None


def is_address(host: str) -> bool:
    """Whether a normal host is an IP address."""
    return ":" in host or _ENDS_IN_A_NUMBER.fullmatch(host) is not None


def is_local(host: str) -> bool:
    """Whether a normal host can only lead to where it says: an address, or ``localhost``."""
    return is_address(host) or _is_in(host, LOCAL_DOMAIN)


def is_private(host: str) -> bool:
    """Whether nobody can register this normal host: it is local, has no dot, or is in a private domain."""
    return is_address(host) or "." not in host or any(_is_in(host, domain) for domain in PRIVATE_DOMAINS)


def _is_in(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


class HostPattern(NamedTuple):
    """A host, or with ``subdomains`` every host below it, but not itself."""

    host: str
    subdomains: bool

    @classmethod
    def parse(cls, text: str) -> "HostPattern":
        """Parse ``example.org`` or ``*.example.org``.

        Raises:
            ValueError: the text is neither.
        """
        host = text.removeprefix("*.")
        if "*" in host:
            raise ValueError(f"a * stands only for the first labels of a host (*.example.org), not as in {text!r}")
        pattern = cls(normal_host(host), subdomains=host != text)
        if pattern.subdomains and "." not in pattern.host and pattern.host not in PRIVATE_DOMAINS:
            raise ValueError(f"{text!r} would match every host of a top-level domain")
        if any(label.startswith("-") or label.endswith("-") for label in pattern.host.split(".")[-2:]):
            # Below a domain they exist, and browsers connect to them.
            raise ValueError(f"{text!r} is not a host name that can be registered: it begins or ends with a hyphen")
        if pattern.subdomains and is_address(pattern.host):
            raise ValueError(f"{text!r} is not a host name: an address has no subdomains")
        return pattern

    def matches(self, host: str) -> bool:
        """Whether a normal host is one of these."""
        return host.endswith(f".{self.host}") if self.subdomains else host == self.host
