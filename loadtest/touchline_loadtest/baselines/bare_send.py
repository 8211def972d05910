"""The lower limit: a loop of non-blocking ``socket.send`` over all connections, and nothing else.

Arguments: the number of connections to wait for, and the bytes of an event's frame. It prints ``listens PORT``. Each
line of its standard input, ``RATE COUNT``, makes it send COUNT events at RATE a second. It ends with its input.

It reads nothing, parses nothing, and fails at the first client that cannot take a whole frame. So it measures the price
of the system call from Python.
"""

import socket
import sys
import time
from collections.abc import Callable, Sequence

BACKLOG = 4096


def main(connections: int, size_bytes: int) -> None:
    """Accept all clients, then send when asked to."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    sys.stdout.write(f"listens {listener.getsockname()[1]}\n")
    sys.stdout.flush()
    clients: list[socket.socket] = []
    for _ in range(connections):
        client, _ = listener.accept()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients.append(client)
    sends = [client.send for client in clients]
    frame = b"x" * size_bytes
    for line in sys.stdin:
        rate, count = line.split()
        run(sends, frame, float(rate), int(count))


def run(sends: Sequence[Callable[[bytes], int]], frame: bytes, rate_hz: float, count: int) -> None:
    """Send ``count`` events to all, at ``rate_hz``."""
    due = time.monotonic()
    for _ in range(count):
        time.sleep(max(0.0, due - time.monotonic()))
        for send in sends:
            if send(frame) != len(frame):
                raise BlockingIOError("a client does not keep up")
        due += 1 / rate_hz


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
