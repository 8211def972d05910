"""Ports for servers that are stopped and started again on the port that they had."""

import random
import socket

BELOW_EPHEMERAL = range(12_000, 32_000)
"""Linux gives outgoing connections ports from 32768 on, so it gives these to nobody while a server is away."""


def free_ports(count: int) -> list[int]:
    """``count`` ports that nothing listens on."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.choice(BELOW_EPHEMERAL)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports
