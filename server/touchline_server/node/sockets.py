"""Binds the ports that a node listens on."""

import os
import socket

from touchline_protocol.errors import OperatorError


def bind(what: str, host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. ``what`` names it in an error.

    Raises:
        OperatorError: the address is invalid or in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # including gaierror
        raise OperatorError(f"{what} cannot listen on {host}, port {port}: {error.strerror}") from None
    try:
        # A port that an earlier process has just released can be bound at once; one in use cannot.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen()
    except OSError as error:
        sock.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OperatorError(
            f"{what} cannot listen on {host}, port {port}: {reason}; stop what uses it, or choose another port"
        ) from None
    return sock
