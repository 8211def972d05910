"""Origins: what a browser sends as ``Origin`` (RFC 6454, section 7), and patterns for the setting ``origins``.

An entry means what an operator means by it: case, Unicode and a default port make no difference. An entry that no
browser could ever match is an error that says so.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from .host_names import FIELD_CHARS_MAX, HostPattern, normal_host

EVERY = "*"
OPAQUE = ("null", "file://")
"""Origins without a host, for example of a page in a file or in a sandboxed frame."""

NO_PAGES = ("about", "blob", "data", "file", "filesystem", "ftp", "ftps", "javascript", "sftp", "view-source")
"""Schemes whose pages have another scheme's origin or none, or that browsers load no pages by. All other schemes are
accepted: browsers have them for extensions, and apps choose their own."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PORT_MAX = 0xFFFF
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[^\]/?#@]*\]|[^\s/?#@,:\\\[\]]+)(?::([^\s/?#@,:\\]*))?")
_PARSED_MAX = 1_024
"""Origins in the cache of `Origin.parse_header`: the clients of an edge send the same few."""


class Origin(NamedTuple):
    """The origin of a page."""

    scheme: str
    host: str
    port: int | None
    """None: the scheme's default."""

    @staticmethod
    def parse_header(text: str) -> "Origin | None":
        """Parse a header ``Origin``; None if it does not name a host."""
        return _parsed(text) if len(text) <= FIELD_CHARS_MAX else None


class OriginPattern(NamedTuple):
    """One entry of ``origins``: an origin, or a set of them."""

    scheme: str
    host: HostPattern | None
    """None: every host of the scheme."""
    port: int | None
    any_port: bool

    @classmethod
    def parse(cls, text: str) -> "OriginPattern":
        """Parse an entry that is neither `EVERY` nor in `OPAQUE`.

        Raises:
            ValueError: no browser sends such an origin. The message says what to write instead.
        """
        scheme, host, port = _split(text)
        if scheme in ("ws", "wss"):
            page = "https" if scheme == "wss" else "http"
            raise ValueError(f"{text!r} is the address of a WebSocket; browsers send that of the page: {page}://{host}")
        if scheme in NO_PAGES:
            opaque = " or ".join(OPAQUE)
            raise ValueError(f"{text!r} is not the origin of a page: no page has the scheme {scheme}, see {opaque}")
        any_port = port == EVERY
        try:
            return cls(scheme, _host_pattern(scheme, host), None if any_port else _port(scheme, port), any_port)
        except ValueError as error:
            raise ValueError(f"{text!r} cannot be used: {error}") from None

    def matches(self, origin: Origin) -> bool:
        """Whether a page's origin is one of these."""
        same_port = self.any_port or self.port == origin.port
        same_host = self.host is None or self.host.matches(origin.host)
        return same_port and same_host and self.scheme == origin.scheme


class Origins:
    """The setting ``origins``: the pages that an operator lists.

    Raises:
        ValueError: an entry can never match.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self.all = EVERY in entries
        self._opaque = frozenset(entry for entry in entries if entry in OPAQUE)
        self._patterns = [OriginPattern.parse(entry) for entry in entries if entry != EVERY and entry not in OPAQUE]

    @property
    def hosts(self) -> list[HostPattern]:
        """The hosts of the listed pages that have one."""
        return [one.host for one in self._patterns if one.host is not None and _has_host_names(one.scheme)]

    def include(self, header: str) -> bool:
        """Whether the page with this header ``Origin`` is listed."""
        if self.all or header in self._opaque:
            return True
        origin = Origin.parse_header(header)
        return origin is not None and any(pattern.matches(origin) for pattern in self._patterns)


@lru_cache(_PARSED_MAX)
def _parsed(text: str) -> Origin | None:
    try:
        scheme, host, port = _split(text)
        return Origin(scheme, _host(scheme, host), _port(scheme, port))
    except ValueError:
        return None


def _split(text: str) -> tuple[str, str, str | None]:
    """The scheme in lower case, the host as it is, and the port if there is one."""
    parts = _PARTS.fullmatch(text)
    if parts is None:
        example = "https://example.org, without a path"
        raise ValueError(f"{text!r} is not an origin: write {example}, https://*.example.org, or * for all")
    return parts[1].lower(), parts[2], parts[3]


def _has_host_names(scheme: str) -> bool:
    """Other schemes, such as chrome-extension, have identifiers where these have hosts."""
    return scheme in _DEFAULT_PORTS


def _host_pattern(scheme: str, host: str) -> HostPattern | None:
    if _has_host_names(scheme):
        return HostPattern.parse(host)
    if host == EVERY:  # Firefox gives an extension another identifier in each installation
        return None
    if EVERY in host:
        raise ValueError(f"with this scheme, a * stands for all hosts: {scheme}://*")
    return HostPattern(host.lower(), subdomains=False)


def _host(scheme: str, host: str) -> str:
    return normal_host(host) if _has_host_names(scheme) else host.lower()


def _port(scheme: str, text: str | None) -> int | None:
    """The port as a browser sends it: None where it leaves it out."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _PORT_MAX):
        raise ValueError(f"{text!r} is not a port: write 1 to {_PORT_MAX}, or * for all ports of the host")
    return None if int(text) == _DEFAULT_PORTS.get(scheme) else int(text)
