"""Binds the ports that a node listens on."""

import errno
import os
import socket

from touchline_protocol.errors import OperatorError

_CURES = {
    errno.EADDRNOTAVAIL: "choose an address that this machine has",
    errno.EACCES: "choose a port from 1024 on, or give the program CAP_NET_BIND_SERVICE",
}


def bind(what: str, host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 picks a free port. ``what`` names the service in errors.

    Raises:
        OperatorError: the address is invalid or already in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # includes gaierror
        raise OperatorError(f"{what} cannot listen on {host}, port {port}: {error.strerror}") from None
    try:
        # Allows a port that an earlier process has just released, but not one that is in use.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen()
    except OSError as error:
        sock.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        cure = _CURES.get(error.errno or 0, "stop the program that uses it, or choose another port")
        raise OperatorError(f"{what} cannot listen on {host}, port {port}: {reason}; {cure}") from None
    return sock
