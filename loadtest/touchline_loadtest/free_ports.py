"""Free ports for servers that stop and start again on the same port."""

import random
import socket
from collections.abc import Iterator

from touchline_protocol.errors import OperatorError

BELOW_EPHEMERAL = range(12_000, 32_000)
"""Linux uses ports from 32768 for outgoing connections, so nothing takes one of these while its server is stopped."""


def free_ports(count: int) -> list[int]:
    """``count`` ports that nothing listens on, and that this process has not got from here before: their servers may
    not have started yet, or may be stopped for a while."""
    ports: list[int] = []
    while len(ports) < count:
        port = next(_candidates)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
    return ports


def _each_in_random_order() -> Iterator[int]:
    while True:
        yield from random.sample(BELOW_EPHEMERAL, len(BELOW_EPHEMERAL))


_candidates = _each_in_random_order()


def check_free(port: int) -> None:
    """Find out early whether a server could listen on a port.

    Raises:
        OperatorError: it could not; the message has the port and the reason.
    """
    with socket.socket() as sock:
        # As servers do, so that connections that have just ended do not matter.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError as error:
            raise OperatorError(f"cannot listen on port {port}: {error.strerror}") from error
