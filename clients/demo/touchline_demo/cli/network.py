"""The addresses by which other machines reach this one."""

import socket
from collections.abc import Sequence

from touchline_protocol.loopback import is_loopback
from touchline_server.cli.options import LOCAL_ADDRESSES

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""An address of another machine in each family (RFC 5737, RFC 3849)."""
_ANY_PORT = 9


def other_addresses(host: str) -> Sequence[str]:
    """The addresses for other machines of a server that listens on ``host``; none if it is for this machine alone."""
    if is_loopback(host):
        return []
    if host not in LOCAL_ADDRESSES:
        return [host]
    families = [socket.AF_INET, socket.AF_INET6] if ":" in host else [socket.AF_INET]
    return [address for family in families if (address := _own_address(family)) is not None]


def _own_address(family: socket.AddressFamily) -> str | None:
    """The address that this machine sends from; None without a network. Connecting a UDP socket sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_ELSEWHERE[family], _ANY_PORT))
        except OSError:
            return None
        return str(probe.getsockname()[0])
