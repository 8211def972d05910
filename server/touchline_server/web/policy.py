"""Decides whether a request may come from the page that a browser sends it for.

Two kinds of pages must not get in. One is a page of a foreign site, which the header ``Origin`` names. The other is a
page of a foreign site whose *name* leads here (DNS rebinding): an attacker's page is loaded as ``http://evil.example``,
the attacker's name server then answers 127.0.0.1, and the browser takes this server for the page's own. ``Origin`` and
``Host`` agree then, or there is no ``Origin`` at all. The one thing that gives it away is the name in ``Host``.

So a request that may come from such a page needs a **known host**: an address, ``localhost``, a name of this machine,
or one that the operator lists; and where other machines reach the listener, a name that nobody can register, such as
those in containers and local networks (`host_names.is_private`). It cannot come from such a page, and needs none,

1. if the operator lists its ``Origin``: browsers let no page choose it;
2. if it has no ``Origin``, though browsers send one with every request of its kind (WebSockets, and all methods but
   GET and HEAD): it does not come from a browser;
3. if the page came over TLS: the attacker has no certificate for us, and a secure page cannot call an insecure server.
   ``Origin`` then begins with https, or there is ``Sec-Fetch-Site``, which browsers send only to secure addresses, and
   which no page can set. So sites behind a proxy with TLS need no setting.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from touchline_protocol.loopback import is_loopback

from .host_names import HostPattern, host_of, is_local, is_private
from .origins import EVERY, Origin, Origins

HOST_REFUSED = "host_refused"
ORIGIN_REFUSED = "origin_refused"

_SHOWN_CHARS_MAX = 120


class Sender(NamedTuple):
    """What a request says about where it comes from: its headers, None if they are missing."""

    host: str | None
    origin: str | None
    fetch_site: str | None
    """``Sec-Fetch-Site`` (Fetch Metadata, section 2.3)."""


class PageRefusal(NamedTuple):
    """Why a page is refused: a code for programs, a message for people."""

    code: str
    """`HOST_REFUSED` or `ORIGIN_REFUSED`."""
    message: str
    """It has no more than a line, and shows foreign text in printable ASCII."""


class Hosts:
    """The hosts by whose name a listener may be reached: those that are listed, local ones, and with ``private`` others
    that nobody can register.

    Raises:
        ValueError: an entry is not a host name.
    """

    def __init__(self, entries: Iterable[str], also: Iterable[HostPattern] = (), *, private: bool = False) -> None:
        listed = list(entries)
        self.all = EVERY in listed
        self._is_safe = is_private if private else is_local
        self._patterns = [*also, *(HostPattern.parse(entry) for entry in listed if entry != EVERY)]

    def know(self, header: str) -> bool:
        """Whether the header ``Host`` has one of these."""
        if self.all:
            return True
        host = host_of(header)
        return host is not None and (self._is_safe(host) or any(pattern.matches(host) for pattern in self._patterns))


class WebPolicy:
    """Which pages may use a listener.

    ``hosts`` and ``origins`` are the settings of these names, ``listener`` is the host that is listened on, and
    ``machine`` the name of the machine. The last two need not be host names.
    """

    def __init__(self, *, hosts: Sequence[str], origins: Sequence[str], listener: str, machine: str) -> None:
        own_names = [name for name in (listener, machine) if host_of(name)]
        self._origins = Origins(origins)
        self._hosts = Hosts([*hosts, *own_names], self._origins.hosts, private=not is_loopback(listener))

    def refusal(self, sender: Sender, *, browsers_send_origin: bool) -> PageRefusal | None:
        """Why a request is refused; None if it is accepted.

        ``browsers_send_origin``: browsers send ``Origin`` with every request of its kind.
        """
        host, origin = sender.host, sender.origin
        if origin is None:
            is_safe = browsers_send_origin or host is None or sender.fetch_site is not None
            return None if is_safe or self._origins.all or self._hosts.know(host or "") else _host_refused(host or "")
        if self._origins.include(origin):
            return None
        page = Origin.parse_header(origin)
        if page is None or host is None or page.host != host_of(host):
            return _origin_refused(origin, host)
        return None if page.scheme == "https" or self._hosts.know(host) else _host_refused(host)


def _host_refused(host: str) -> PageRefusal:
    shown = _shown(host)
    name = host_of(host)
    cure = f'The operator can allow it: hosts = ["{name}"]' if name else "It is not a host name"
    return PageRefusal(HOST_REFUSED, f"the name {shown} may belong to somebody else's page (DNS rebinding). {cure}")


def _origin_refused(origin: str, host: str | None) -> PageRefusal:
    """The message names both headers: a proxy that does not pass ``Host`` makes them differ for every page."""
    received = "no Host" if host is None else f"the Host {_shown(host)}"
    return PageRefusal(
        ORIGIN_REFUSED,
        f"pages of {_shown(origin)} may not connect: the request has {received}. A proxy in front must pass the "
        "browser's Host; other pages the operator can allow with the option origins",
    )


def _shown(header: str) -> str:
    """A header's value in a message: short, and ASCII without control characters."""
    return ascii(header[:_SHOWN_CHARS_MAX])
