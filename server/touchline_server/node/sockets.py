"""Binds the ports that a server listens on.

Several workers share one port by SO_REUSEPORT: each has a listening socket of its own, and the kernel spreads new
connections over them. The supervisor holds the port with a socket that never listens, so a connection is never queued
where nobody accepts it. SO_REUSEPORT alone would let a second server of the same user share the port, without an
error and with half of the connections: `reserve` detects that.
"""

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from touchline_protocol.errors import OperatorError

WEBSOCKET = "the WebSocket"
"""What the clients' port is called in errors."""

RESERVE_S_MAX = 2.0
"""How long `reserve` waits for another server that is just taking the same port. That takes less than a millisecond."""
_RETRY_S = 0.01

_CURES = {
    errno.EADDRNOTAVAIL: "choose an address that this machine has",
    errno.EACCES: "choose a port from 1024 on, or give the program CAP_NET_BIND_SERVICE",
}


class WorkerPlace(NamedTuple):
    """Which worker of an edge a process is: its name, such as ``edge-1/2``, and the address that all workers share."""

    name: str
    host: str
    port: int


def bind(what: str, host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 picks a free port. ``what`` names the service in errors.

    Raises:
        OperatorError: the address is invalid or already in use.
    """
    sock, address = _resolved(what, host, port)
    with _closed_on_error(sock, what, host, port):
        # Allows a port that an earlier process has just released, but not one that is in use.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen()
    return sock


def bind_shared(host: str, port: int) -> socket.socket:
    """A socket on a port that `reserve` holds. It does not listen yet.

    Raises:
        OperatorError: the port is not held by a process of the same user.
    """
    sock, address = _resolved(WEBSOCKET, host, port)
    with _closed_on_error(sock, WEBSOCKET, host, port):
        _share(sock)
        sock.bind(address)
    return sock


def reserve(host: str, port: int) -> socket.socket:
    """Hold a port for workers; port 0 picks a free one. The socket never listens, so it takes no connection.

    Raises:
        OperatorError: the address is invalid or already in use, also by the workers of another server.
    """
    with _alone(port):
        if port:
            bind(WEBSOCKET, host, port).close()  # fails if anybody listens there, shared or not
        sock, address = _resolved(WEBSOCKET, host, port)
        with _closed_on_error(sock, WEBSOCKET, host, port):
            _share(sock)
            sock.bind(address)
            # From now on `bind` fails on this port, even before the first worker listens.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return sock


def _share(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Beside SO_REUSEPORT it matters only for connections of an earlier server that had the port for itself.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


@contextmanager
def _alone(port: int) -> Iterator[None]:
    """Let only one server of this machine at a time look whether a port is free, and take it.

    The lock is an abstract Unix socket: it is gone with its process, and containers with a network of their own have
    locks of their own.
    """
    with socket.socket(socket.AF_UNIX) as lock:
        give_up_s = time.monotonic() + RESERVE_S_MAX
        while True:
            try:
                lock.bind(f"\0touchline.reserve.{port}")
                break
            except OSError:
                if time.monotonic() > give_up_s:
                    break  # whoever holds it is not one of ours: the checks without the lock are all but as good
                time.sleep(_RETRY_S)
        yield


def _resolved(what: str, host: str, port: int) -> tuple[socket.socket, Any]:
    """A new socket, and the address to bind it to."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.socket(family, socket.SOCK_STREAM), address
    except OSError as error:  # includes gaierror
        raise OperatorError(f"{what} cannot listen on {host}, port {port}: {error.strerror}") from None


@contextmanager
def _closed_on_error(sock: socket.socket, what: str, host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sock.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        cure = _CURES.get(error.errno or 0, "stop the program that uses it, or choose another port")
        raise OperatorError(f"{what} cannot listen on {host}, port {port}: {reason}; {cure}") from None
