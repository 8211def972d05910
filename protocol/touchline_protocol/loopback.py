"""Which hosts are this machine alone: no proxy reaches them, and no other machine reaches a listener on them. Pure."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address without brackets, is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
