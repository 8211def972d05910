"""TLS on the edge's own port keeps every promise that is kept without it."""

import asyncio
import contextlib
import gc
import logging
import os
import re
import shutil
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from support.certificates import Authority, Issued
from support.log_lines import log_lines
from support.node_fixture import Client, RawClient, RunningNode, running_node
from support.waiting import DEADLINE_S, eventually
from touchline_protocol import codes
from touchline_protocol.codecs import JSON
from touchline_protocol.errors import OperatorError
from touchline_protocol.messages import Event
from touchline_server.config.listener.tls import TlsSettings
from touchline_server.core.log import Position
from touchline_server.edge.connection import Connection
from touchline_server.edge.tls import TlsLayer, make_tls
from touchline_server.web.proxy_protocol import SIGNATURE

NAME = "live.example.org"
PROXIED = SIGNATURE + b"\x21\x11\x00\x0c" + bytes((192, 0, 2, 1, 10, 0, 0, 1)) + (4711).to_bytes(2) + (80).to_bytes(2)


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "touchline")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def pair(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return authority.issue(tmp_path_factory.mktemp("pair"), NAME)


@pytest.fixture
def trust(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    context.check_hostname = False
    return context


def tls(pair: Issued, **options: Any) -> TlsSettings:
    return TlsSettings(cert_file=pair.cert_file, key_file=pair.key_file, **options)


def client_of(node: RunningNode, trust: ssl.SSLContext, **options: Any) -> connect:
    options |= {"subprotocols": [Subprotocol(JSON.subprotocol)], "compression": None, "max_size": None}
    return connect(node.url.replace("ws://", "wss://"), ssl=trust, **options)


async def test_a_client_watches_over_tls_and_both_ends_close(pair: Issued, trust: ssl.SSLContext) -> None:
    async with running_node(tls=tls(pair)) as node, client_of(node, trust) as websocket:
        client = Client(websocket, JSON)
        await client.greet()
        await client.join("score:1")
        value = "x" * 100_000
        await node.publish("score:1", value)
        assert (await client.expect(Event)).data == value
        await websocket.close()
        assert websocket.close_code == codes.NORMAL.code
        await eventually(lambda: node.node.core.connections == 0)


async def test_the_server_closes_with_its_code(pair: Issued, trust: ssl.SSLContext) -> None:
    async with running_node(tls=tls(pair)) as node, client_of(node, trust) as websocket:
        await websocket.send("no message")
        client = Client(websocket, JSON)
        assert (await client.closed())[0] == codes.HELLO_EXPECTED.code
        await eventually(lambda: node.node.core.connections == 0)


async def test_an_event_stream_ends_as_without_tls(pair: Issued, trust: ssl.SSLContext) -> None:
    async with running_node(tls=tls(pair)) as node:
        reader, writer = await asyncio.open_connection(node.host, node.port, ssl=trust)
        writer.write(b"GET /v1/rooms/score:1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
        await eventually(lambda: len(node.node.core.clients) == 1)
        await node.stop_edge()
        async with asyncio.timeout(DEADLINE_S):
            assert b": close 1001" in await reader.read()
        writer.close()


async def test_a_slow_client_is_paused_and_nothing_is_kept_for_it(pair: Issued, trust: ssl.SSLContext) -> None:
    async with running_node(tls=tls(pair)) as node:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (node.host, node.port))
        async with client_of(node, trust, sock=sock, server_hostname=NAME) as websocket:
            client = Client(websocket, JSON)
            await client.greet()
            await client.join("score:1")
            websocket.transport.pause_reading()
            (connection,) = node.connections
            published: list[Position] = []
            for _ in range(200):
                published += await node.publish("score:1", *["x" * 1_000] * 20)
                if connection._paused:
                    break
            assert connection._paused
            published += await node.publish("score:1", *["x" * 1_000] * 200)
            assert connection.transport.get_write_buffer_size() < 200_000
            websocket.transport.resume_reading()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            # All of them: a connection with unread messages would take its time to close.
            offsets = [event.offset for event in await client.events(len(published))]
            assert offsets == [position.offset for position in published]


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["silent", "half a hello"])
async def test_a_handshake_has_the_deadline_of_the_hello_and_counts_as_a_connection(pair: Issued, data: bytes) -> None:
    async with running_node(tls=tls(pair), handshake_timeout_s=0.3) as node, node.raw() as client:
        await client.send_bytes(data)
        await eventually(lambda: node.node.core.connections == 1)
        assert await client.read_all() == b""
        client.sock.close()
        await eventually(lambda: node.node.core.connections == 0)


async def test_plain_http_is_told_that_the_port_has_tls(pair: Issued, caplog: pytest.LogCaptureFixture) -> None:
    async with running_node(tls=tls(pair)) as node, node.raw() as client:
        await client.request()
        assert await client.status() == 400
        await eventually(lambda: node.node.core.connections == 0)
    (line,) = log_lines(caplog, "tls_failed")
    assert line["reason"] == "http_request"


async def test_an_older_version_is_refused(pair: Issued, trust: ssl.SSLContext) -> None:
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running_node(tls=tls(pair, minimum_version="1.3")) as node:
        with pytest.raises(ssl.SSLError):
            async with client_of(node, trust):
                pass


async def test_the_proxy_protocol_comes_before_tls(
    pair: Issued, trust: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    admission: Any = {"trusted_proxies": ["127.0.0.1"], "proxy_protocol": True}
    async with running_node(tls=tls(pair), admission=admission) as node:
        sock = socket.create_connection((node.host, node.port))
        sock.sendall(PROXIED)
        sock.setblocking(False)
        async with client_of(node, trust, sock=sock, server_hostname=NAME) as websocket:
            await Client(websocket, JSON).greet()
    (line,) = log_lines(caplog, "connection_opened")
    assert line["peer"] == "192.0.2.1:4711"


def serial(websocket: Any) -> bytes:
    certificate: bytes = websocket.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return certificate


async def test_a_new_certificate_is_used_for_new_connections_only(
    authority: Authority, pair: Issued, trust: ssl.SSLContext, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = Issued(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "bundle.pem")
    _copy(pair, files)
    renewed = authority.issue(tmp_path / "renewed", NAME)
    settings = tls(files, check_s=0.1)
    async with running_node(tls=settings) as node, client_of(node, trust) as first:
        client = Client(first, JSON)
        await client.greet()
        files.key_file.write_text("half a key")
        await eventually(lambda: bool(log_lines(caplog, "certificate_unusable")))
        async with client_of(node, trust) as second:
            assert serial(second) == serial(first)
        _copy(renewed, files)
        await eventually(lambda: bool(log_lines(caplog, "certificate_replaced")))
        async with client_of(node, trust) as third:
            assert serial(third) != serial(first)
        await client.join("score:1")


async def test_a_reload_logs_a_new_certificate_and_only_a_new_one(
    authority: Authority, pair: Issued, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = authority.issue(tmp_path / "other", NAME)
    async with running_node(tls=tls(pair)) as node:
        await node.node.reload(node.node.settings)
        pair.cert_file.write_bytes(pair.cert_file.read_bytes())
        os.utime(pair.cert_file, ns=(0, 0))
        await node.node.reload(node.node.settings)
        assert log_lines(caplog, "certificate_replaced") == [], "the same one was written again"
        await node.node.reload(node.node.settings.model_copy(update={"tls": tls(other)}))
    (line,) = log_lines(caplog, "certificate_replaced")
    assert line["cert_file"] == str(other.cert_file)


async def test_a_proxy_header_that_is_not_expected_is_named_as_such(
    pair: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_node(tls=tls(pair)) as node, node.raw() as proxy:
        await proxy.send_bytes(PROXIED)
        assert await proxy.read_all() == b""
    (line,) = log_lines(caplog, "proxy_header_refused")
    assert line["code"] == "unexpected"
    assert log_lines(caplog, "tls_failed") == []


async def test_a_reload_with_a_bad_pair_changes_nothing(
    authority: Authority, pair: Issued, trust: ssl.SSLContext, tmp_path: Path
) -> None:
    other = authority.issue(tmp_path / "other", NAME)
    async with running_node(tls=tls(pair)) as node:
        bad = TlsSettings(cert_file=pair.cert_file, key_file=other.key_file)
        with pytest.raises(OperatorError):
            await node.node.reload(node.node.settings.model_copy(update={"tls": bad, "connections_max": 1}))
        assert node.node.settings.connections_max > 1
        async with client_of(node, trust) as websocket:
            await Client(websocket, JSON).greet()


async def test_a_bad_pair_is_an_error_at_the_start(authority: Authority, pair: Issued, tmp_path: Path) -> None:
    other = authority.issue(tmp_path / "other", NAME)
    locked = authority.issue(tmp_path / "locked", NAME, password="secret")
    bad = [
        TlsSettings(cert_file=pair.cert_file, key_file=other.key_file),
        TlsSettings(cert_file=pair.cert_file),
        TlsSettings(cert_file=tmp_path / "missing.pem"),
        TlsSettings(cert_file=locked.cert_file, key_file=locked.key_file, key_password="wrong"),
        TlsSettings(cert_file=locked.cert_file, key_file=locked.key_file),
    ]
    for settings in bad:
        with pytest.raises(OperatorError):
            async with running_node(tls=settings):
                pass
    with pytest.raises(OperatorError, match="set key_file"):
        make_tls(TlsSettings(cert_file=pair.cert_file))
    with pytest.raises(OperatorError, match=re.escape(f"{pair.key_file} holds no certificate")):
        make_tls(TlsSettings(cert_file=pair.key_file))
    async with running_node(tls=tls(locked, key_password="secret")):
        pass


async def test_nothing_of_a_connection_is_left_for_the_cycle_collector(pair: Issued, trust: ssl.SSLContext) -> None:
    gc.collect()
    gc.disable()
    try:
        async with running_node(tls=tls(pair)) as node:
            async with client_of(node, trust) as websocket:
                await Client(websocket, JSON).greet()
            async with node.raw() as plain:
                await plain.request()
                assert await plain.status() == 400
            await eventually(lambda: node.node.core.connections == 0)
            kinds = (TlsLayer, Connection)
            await eventually(lambda: not any(isinstance(each, kinds) for each in gc.get_objects()))
    finally:
        gc.enable()


async def test_many_clients_share_the_buffers_and_each_gets_its_own_bytes(pair: Issued, trust: ssl.SSLContext) -> None:
    """Each sends its messages in pieces, while others send and receive."""

    async def chat(node: RunningNode, number: int) -> None:
        async with client_of(node, trust) as websocket:
            client = Client(websocket, JSON)
            await client.greet()
            for round_number in range(5):
                room = f"score:{number}-{round_number}"
                await client.join(room)
                await node.publish(room, f"{number} {'x' * 20_000}")
                assert (await client.expect(Event)).data == f"{number} {'x' * 20_000}"

    async with running_node(tls=tls(pair)) as node:
        await asyncio.gather(*(chat(node, number) for number in range(10)))


def _copy(pair: Issued, files: Issued) -> None:
    for source, target in zip(pair, files, strict=True):
        temporary = target.with_suffix(".new")
        shutil.copy(source, temporary)
        temporary.replace(target)


async def send_in_pieces(client: RawClient, data: bytes, piece_bytes: int) -> None:
    for start in range(0, len(data), piece_bytes):
        await client.send_bytes(data[start : start + piece_bytes])
        await asyncio.sleep(0)


async def test_a_tls_handshake_in_pieces_is_answered(pair: Issued, trust: ssl.SSLContext) -> None:
    async with running_node(tls=tls(pair)) as node, node.raw() as client:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        layer = trust.wrap_bio(incoming, outgoing)
        while True:
            try:
                layer.do_handshake()
                break
            except ssl.SSLWantReadError:
                await send_in_pieces(client, outgoing.read(), 25)
                incoming.write(await client.read_some())
        layer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
        await send_in_pieces(client, outgoing.read(), 25)
        answer = b""
        while b"\r\n\r\n" not in answer:
            incoming.write(await client.read_some())
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += layer.read()
        assert answer.startswith(b"HTTP/1.1 426 ")
