"""A port that workers share: held before the first of them listens, and not shared with another server."""

import socket
import threading
from contextlib import ExitStack

import pytest

from touchline_protocol.errors import OperatorError
from touchline_server.node.sockets import WEBSOCKET, bind, bind_shared, reserve


def port_of(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


def test_a_port_that_is_held_takes_no_connection_until_a_worker_listens() -> None:
    with reserve("127.0.0.1", 0) as held, bind_shared("127.0.0.1", port_of(held)) as worker:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port_of(held)), timeout=5)
        worker.listen()
        with socket.create_connection(("127.0.0.1", port_of(held)), timeout=5):
            worker.accept()[0].close()


def test_all_workers_get_connections_of_the_port_that_was_picked() -> None:
    with ExitStack() as opened:
        held = opened.enter_context(reserve("127.0.0.1", 0))
        workers = [opened.enter_context(bind_shared("127.0.0.1", port_of(held))) for _ in range(3)]
        for worker in workers:
            worker.listen(256)
            worker.setblocking(False)
        for _ in range(200):
            opened.enter_context(socket.create_connection(("127.0.0.1", port_of(held))))
        accepted = []
        for worker in workers:
            accepted.append(0)
            while True:
                try:
                    worker.accept()[0].close()
                except BlockingIOError:
                    break
                accepted[-1] += 1
    assert sum(accepted) == 200
    assert min(accepted) > 20


@pytest.mark.parametrize("workers", [0, 1])
def test_another_server_cannot_share_the_port_with_or_without_workers(workers: int) -> None:
    with ExitStack() as opened:
        held = opened.enter_context(reserve("127.0.0.1", 0))
        for _ in range(workers):
            opened.enter_context(bind_shared("127.0.0.1", port_of(held))).listen()
        with pytest.raises(OperatorError, match=str(port_of(held))):
            reserve("127.0.0.1", port_of(held))
        with pytest.raises(OperatorError, match=str(port_of(held))):
            bind(WEBSOCKET, "127.0.0.1", port_of(held))


def test_a_port_that_another_program_listens_on_is_an_error() -> None:
    with bind(WEBSOCKET, "127.0.0.1", 0) as other, pytest.raises(OperatorError, match=str(port_of(other))):
        reserve("127.0.0.1", port_of(other))
    with socket.socket() as sharing:  # a program that would share it
        sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sharing.bind(("127.0.0.1", 0))
        sharing.listen()
        with pytest.raises(OperatorError, match=str(port_of(sharing))):
            reserve("127.0.0.1", port_of(sharing))


def test_of_servers_that_start_at_the_same_moment_one_gets_the_port() -> None:
    with bind(WEBSOCKET, "127.0.0.1", 0) as free:
        port = port_of(free)
    held: list[socket.socket] = []
    refused: list[OperatorError] = []
    ready = threading.Barrier(8)

    def start() -> None:
        ready.wait()
        try:
            held.append(reserve("127.0.0.1", port))
        except OperatorError as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sock in held:
        sock.close()
    assert (len(held), len(refused)) == (1, 7)


def test_a_server_gets_its_port_again_right_after_it_stopped() -> None:
    with reserve("127.0.0.1", 0) as held, bind_shared("127.0.0.1", port_of(held)) as worker:
        port = port_of(held)
        worker.listen()
        with socket.create_connection(("127.0.0.1", port)):
            worker.accept()[0].close()  # the server closes first, and the kernel remembers it for a minute
    with reserve("127.0.0.1", port), bind_shared("127.0.0.1", port) as worker:
        worker.listen()


def test_a_name_without_an_address_is_an_error() -> None:
    with pytest.raises(OperatorError, match="invalid"):
        reserve("host.invalid", 0)
