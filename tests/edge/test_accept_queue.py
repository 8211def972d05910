"""An edge that drains accepts what the kernel holds for it already: nobody whose connection it has is reset."""

import socket

import pytest

from support.node_fixture import running_node


async def test_a_connection_that_is_queued_when_the_port_closes_is_answered(
    monkeypatch: pytest.MonkeyPatch, short_linger: None
) -> None:
    async with running_node(drain_s=0.1) as running:
        edge = running.edge
        stop_accepting = edge._stop_accepting
        queued: list[socket.socket] = []

        async def stop_with_a_full_queue() -> None:
            for _ in range(0 if queued else 50):  # the loop does not turn meanwhile, so the kernel holds them
                sock = socket.create_connection((running.host, running.port))
                sock.sendall(b"GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
                queued.append(sock)
            await stop_accepting()

        monkeypatch.setattr(edge, "_stop_accepting", stop_with_a_full_queue)
        await running.stop_edge()
        for sock in queued:
            with sock:
                sock.settimeout(5)
                assert sock.recv(12).startswith(b"HTTP/1.1 ")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((running.host, running.port))
