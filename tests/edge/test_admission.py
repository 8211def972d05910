"""Which connections an edge takes, whose they are, and what it answers to the others."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.log_lines import log_lines
from support.node_fixture import RawClient, RunningNode, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.messages import Beat, Error, RoomRequest, Subscribe
from touchline_server.config.listener.admission import AdmissionSettings
from touchline_server.config.tables import RatesSettings
from touchline_server.edge.requests.handshake import RETRY_AFTER_MS
from touchline_server.edge.requests.opening import REQUEST_BYTES_MAX
from touchline_server.web.proxy_protocol import SIGNATURE

HANDSHAKE_S = 0.3
RETRY_AFTER_S = range(RETRY_AFTER_MS[0] // 1000, RETRY_AFTER_MS[1] // 1000 + 2)
STREAM = "/v1/rooms/score:1/events"
EVENT_SOURCE = {"Accept": "text/event-stream", "Upgrade": "", "Connection": ""}
PROXIED = SIGNATURE + b"\x21\x11\x00\x0c" + bytes((192, 0, 2, 1, 10, 0, 0, 1)) + (4711).to_bytes(2) + (80).to_bytes(2)
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
BEHIND_PROXY = {"trusted_proxies": ["127.0.0.1"], "proxy_protocol": True}


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "touchline")


@contextlib.asynccontextmanager
async def raw_from(node: RunningNode, address: str) -> AsyncIterator[RawClient]:
    with socket.socket() as sock:
        sock.bind((address, 0))
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (node.host, node.port))
        yield RawClient(sock, f"{node.host}:{node.port}")


def retry_after_s(client: RawClient) -> int:
    (value,) = [
        line.partition(":")[2] for line in client.response_head.split("\r\n") if line.lower().startswith("retry-after:")
    ]
    return int(value)


async def status_of(client: RawClient, target: str = "/ws", **headers: str) -> int:
    await client.request(target, headers)
    return await client.status()


async def test_an_address_over_its_limit_gets_429_and_others_get_in(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node(admission={"connections_per_address_max": 2}) as node, contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(node.raw())
        await first.open()
        await (await stack.enter_async_context(node.raw())).open()
        async with node.raw() as refused:
            assert await status_of(refused) == 429
            assert retry_after_s(refused) in RETRY_AFTER_S
            assert b"(too_many_connections)" in refused._received + await refused.read_all()
        async with raw_from(node, "127.0.0.2") as other:
            await other.open()
        first.sock.close()
        await eventually(lambda: node.node.core.connections == 1)
        await (await stack.enter_async_context(node.raw())).open()
    (line,) = log_lines(caplog, "connection_limited")
    assert (line["code"], line["limit"], line["address"]) == (
        "too_many_connections",
        "admission.connections_per_address_max",
        "127.0.0.1",
    )


async def test_connections_beyond_the_rate_get_503_with_the_time_to_come_back() -> None:
    admission = {"connects_per_second_max": 0.01, "connects_burst": 1}
    async with running_node(admission=admission) as node, node.client(), node.raw() as refused, node.raw() as stream:
        assert await status_of(refused) == 503
        assert retry_after_s(refused) >= 100 - 1
        await stream.request(STREAM, EVENT_SOURCE)
        assert await stream.status() == 200  # an EventSource gives up for good on any other
        body = stream._received + await stream.read_all()
        assert b"retry: " in body
        assert codes.UNAVAILABLE.code.encode() in body


async def test_trusted_proxies_name_the_client_and_others_cannot(caplog: pytest.LogCaptureFixture) -> None:
    admission = {"trusted_proxies": ["127.0.0.1"], "connections_per_address_max": 1}
    lie = {"X-Forwarded-For": "203.0.113.1, 192.0.2.1"}
    async with running_node(admission=admission) as node, contextlib.AsyncExitStack() as stack:
        await (await stack.enter_async_context(node.raw())).open(**lie)
        async with node.raw() as again:
            assert await status_of(again, **(lie | {"X-Forwarded-For": "198.51.100.7, 192.0.2.1"})) == 429
        await (await stack.enter_async_context(node.raw())).open(**{"X-Forwarded-For": "192.0.2.2"})
        await (await stack.enter_async_context(node.raw())).open()  # the proxy itself counts for nobody
        await (await stack.enter_async_context(node.raw())).open()
        await (await stack.enter_async_context(raw_from(node, "127.0.0.2"))).open(**lie)
        async with raw_from(node, "127.0.0.2") as direct:
            assert await status_of(direct, **{"X-Forwarded-For": "192.0.2.9"}) == 429
    peers = [line["peer"] for line in log_lines(caplog, "connection_opened")]
    assert peers[:2] == ["192.0.2.1", "192.0.2.2"]
    assert [peer.rpartition(":")[0] for peer in peers[2:]] == ["127.0.0.1", "127.0.0.1", "127.0.0.2"]
    assert {line["address"] for line in log_lines(caplog, "connection_limited")} == {"192.0.2.1", "127.0.0.2"}


async def test_an_entry_that_names_nobody_is_logged_and_counts_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    admission = {
        "trusted_proxies": ["127.0.0.1"],
        "connections_per_address_max": 1,
        "client_address_header": "forwarded",
    }
    async with running_node(admission=admission) as node, node.raw() as one, node.raw() as two:
        await one.open(Forwarded="for=unknown")
        await two.open(**{"Forwarded": "for=unknown", "X-Forwarded-For": "192.0.2.1"})
    assert [line["entry"] for line in log_lines(caplog, "client_address_invalid")] == ["for=unknown"] * 2


async def test_the_proxy_protocol_names_the_client(caplog: pytest.LogCaptureFixture) -> None:
    admission = BEHIND_PROXY | {"connections_per_address_max": 1}
    async with running_node(admission=admission) as node, node.raw() as one, node.raw() as two, node.raw() as probe:
        for byte in PROXIED:
            await one.send_bytes(bytes((byte,)))
        await one.open()
        await two.send_bytes(PROXIED + b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert await two.status() == 429
        await probe.send_bytes(LOCAL)
        await probe.open(
            **{"X-Forwarded-For": "203.0.113.9"}
        )  # what a client wrote through a proxy that speaks for itself
        async with raw_from(node, "127.0.0.2") as direct:
            await direct.open()
    peers = [line["peer"] for line in log_lines(caplog, "connection_opened")]
    assert peers[0] == "192.0.2.1:4711"
    assert not peers[1].startswith("203.0.113.9")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET /ws HTTP/1.1\r\n\r\n", "missing"),
        (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n", "version_1"),
        (SIGNATURE + b"\x11\x11\x00\x0c", "invalid"),
        (PROXIED[:20], "timeout"),
        (b"", "timeout"),
    ],
)
async def test_a_connection_without_a_proxy_header_is_closed_and_logged(
    caplog: pytest.LogCaptureFixture, data: bytes, code: str
) -> None:
    async with (
        running_node(admission=BEHIND_PROXY, handshake_timeout_s=HANDSHAKE_S) as node,
        node.raw() as client,
    ):
        await client.send_bytes(data)
        assert await client.read_all() == b""
        client.sock.close()
        await eventually(lambda: node.node.core.connections == 0)
    (line,) = log_lines(caplog, "proxy_header_refused")
    assert line["code"] == code


@pytest.mark.parametrize(
    "header", [PROXIED, LOCAL, b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n"], ids=["2", "local", "1"]
)
@pytest.mark.parametrize(
    "admission",
    [{}, {"trusted_proxies": ["192.0.2.0/24"], "proxy_protocol": True}],
    ids=["not configured", "from another address"],
)
async def test_a_proxy_header_that_is_not_expected_is_logged(
    caplog: pytest.LogCaptureFixture, header: bytes, admission: dict[str, Any]
) -> None:
    async with running_node(admission=admission) as node, node.raw() as client:
        await client.send_bytes(header + b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert await client.read_all() == b""
    (line,) = log_lines(caplog, "proxy_header_refused")
    assert line["code"] == "unexpected"


async def test_a_check_whether_the_port_is_open_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node(admission=BEHIND_PROXY) as node:
        async with node.raw():
            await eventually(lambda: node.node.core.connections == 1)
        await eventually(lambda: node.node.core.connections == 0)
    assert log_lines(caplog, "proxy_header_refused") == []


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    "data",
    [b"", b"G", UPGRADE[:-2], UPGRADE, b"GET /v1/rooms/score:1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"],
    ids=["silent", "a byte", "half a request", "no hello", "half a request for a stream"],
)
async def test_each_phase_before_the_hello_has_the_same_deadline(data: bytes) -> None:
    async with running_node(handshake_timeout_s=HANDSHAKE_S) as node, node.raw() as client:
        dribble = data[-5:]
        await client.send_bytes(data[:-5])
        began_s = asyncio.get_running_loop().time()
        for byte in dribble:  # bytes that trickle in do not extend it
            await client.send_bytes(bytes((byte,)))
            await asyncio.sleep(HANDSHAKE_S / 10)
        await client.read_all()
        assert asyncio.get_running_loop().time() - began_s < 10 * HANDSHAKE_S
        client.sock.close()
        await eventually(lambda: node.node.core.connections == 0)


@pytest.mark.parametrize("complete", [True, False])
async def test_a_request_that_is_too_long_gets_431(complete: bool) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 4_000) for number in range(REQUEST_BYTES_MAX // 4_000 + 1))
    async with running_node() as node, node.raw() as client:
        await client.send_bytes(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines + (b"\r\n" if complete else b""))
        assert await client.status() == 431
        await eventually(lambda: all(each._ended for each in node.connections))


async def test_a_reload_changes_limits_and_closes_nobody() -> None:
    async with running_node() as node, node.client() as client, node.raw() as watcher:
        await watcher.open()
        await node.node.reload(
            node.node.settings.model_copy(
                update={
                    "admission": AdmissionSettings(connections_per_address_max=2),
                    "rates": RatesSettings(subscribes_per_second_max=0.001, subscribes_burst=100),
                    "origins": ["https://example.org"],
                }
            )
        )
        async with node.raw() as refused:
            assert await status_of(refused) == 429
        for _ in range(2):
            await client.send(Subscribe(rooms=[RoomRequest(room=f"score:{number}") for number in range(100)]))
        answers = [await client.next() for _ in range(101)]
        assert [each.code for each in answers if isinstance(each, Error)] == [codes.TOO_MANY_SUBSCRIBES.code]
        async with raw_from(node, "127.0.0.2") as page:
            assert await status_of(page, Origin="https://example.org") == 101
        assert node.node.core.connections >= 2


async def test_a_peer_that_vanished_is_cut_and_the_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node(heartbeat_s=0.2) as node, node.raw() as client:
        node.set_ack_max(400)
        await client.open()
        _vanish(client.sock)
        await eventually(lambda: node.node.core.connections == 0)
    (line,) = log_lines(caplog, "connection_gone")
    assert line["error"] == "no_ack"


async def test_a_slow_reader_is_not_taken_for_gone() -> None:
    """Its window is closed for longer than acknowledgements may be missing, and it answers probes of it."""
    async with running_node(heartbeat_s=0.2) as node, node.raw(receive_bytes=4096) as slow:
        node.set_ack_max(400)
        await slow.open()
        await slow.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        message = await slow.next()
        while isinstance(message, Beat):
            message = await slow.next()
        (connection,) = node.connections
        for _ in range(100):
            await node.publish("score:1", *["x" * 1_000] * 50)
            if connection._paused:
                break
        assert connection._paused
        for _ in range(12):  # a second and more, by the kernel's clock
            await asyncio.sleep(0.1)
            assert node.node.core.connections == 1
        read = 0
        while read < 8_000:
            some = await slow.read_some()
            assert some
            read += len(some)
        assert node.node.core.connections == 1


async def test_the_line_of_a_lost_connection_names_the_error(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node() as node, node.raw() as client:
        await client.open()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.sock.close()
        await eventually(lambda: bool(log_lines(caplog, "connection_gone")))
    (line,) = log_lines(caplog, "connection_gone")
    assert line["error"] == "ECONNRESET"


def _vanish(sock: socket.socket) -> None:
    """Let the kernel drop whatever arrives, unacknowledged, like a phone in a tunnel: a socket filter that keeps 0
    bytes."""
    import ctypes
    import struct

    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K, 0
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HxxxxxxP", 1, ctypes.addressof(program)))  # SO_ATTACH_FILTER
