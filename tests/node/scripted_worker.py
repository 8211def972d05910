"""A worker that does as it is told: ``python scripted_worker.py SCRIPT NAME FD STACKS_FD``.

It speaks to its supervisor as a real worker does, and serves nobody.
"""

import os
import signal
import socket
import sys
import time

from touchline_server.control.backend import Readiness
from touchline_server.control.status import CloseStatus
from touchline_server.node.supervisor.channel import read_start
from touchline_server.node.supervisor.messages import Beat, Closed, Failed, Serving, StopServing, encode, orders
from touchline_server.node.supervisor.stacks import STACKS_SIGNAL, write_stacks_to

BEAT = encode(Beat(Readiness({}, {})))


def main() -> int:
    script, name, fd, stacks_fd = sys.argv[1:]
    with socket.socket(fileno=int(fd)) as link:
        assert read_start(link).name == name
        if script == "mistake":
            link.sendall(encode(Failed("the operator made a mistake")))
            return 2
        if script == "bug":
            return 1
        if script == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        link.sendall(BEAT + encode(Serving()))
        if script == "hangs":
            write_stacks_to(int(stacks_fd))
            hang()
        if script == "crashes":
            write_stacks_to(int(stacks_fd))
            os.kill(os.getpid(), signal.SIGSEGV)
        if script == "stuck":
            signal.signal(STACKS_SIGNAL, signal.SIG_IGN)
            hang()
        if script == "dies":
            link.sendall(encode(Closed([CloseStatus(1_700_000_000_000, os.getpid(), "client", "normal", "ann", None)])))
            return 3
        link.settimeout(0.1)
        return until_stopped(link, obeys=script != "deaf")


def hang() -> None:
    time.sleep(3600)


def until_stopped(link: socket.socket, *, obeys: bool) -> int:
    reader = orders()
    while True:
        link.sendall(BEAT)
        try:
            data = link.recv(65536)
        except TimeoutError:
            continue
        if not data or (obeys and any(isinstance(order, StopServing) for order in reader.feed(data))):
            return 0


if __name__ == "__main__":
    sys.exit(main())
