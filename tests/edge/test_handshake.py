"""Which requests may open a WebSocket, and how others are refused."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Subprotocol

from edge.streams import response_to, target_of
from support.node_fixture import LONGER_THAN_A_TEST_S, RunningNode, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.codecs import JSON, MSGPACK
from touchline_protocol.messages import Error, Hello, Subscribe, Welcome

KNOWN = [Subprotocol(JSON.subprotocol), Subprotocol(MSGPACK.subprotocol)]


async def status_of(node: RunningNode, target: str = "/ws", method: str = "GET", **headers: str) -> int:
    async with node.raw() as client:
        await client.request(target, {name.replace("_", "-"): value for name, value in headers.items()}, method)
        return await client.status()


async def test_messages_are_json_without_a_subprotocol(node: RunningNode) -> None:
    async with node.client(subprotocols=None) as client:
        assert client.websocket.subprotocol is None


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (KNOWN, JSON),
        (KNOWN[::-1], MSGPACK),
        ([Subprotocol("chat"), *KNOWN[::-1]], MSGPACK),
        ([Subprotocol("touchline.v2.json"), KNOWN[0]], JSON),
    ],
)
async def test_the_first_known_subprotocol_is_chosen(
    node: RunningNode, offered: list[Subprotocol], chosen: object
) -> None:
    assert chosen in (JSON, MSGPACK)
    codec = JSON if chosen is JSON else MSGPACK
    async with node.client(codec, subprotocols=offered) as client:
        assert client.websocket.subprotocol == codec.subprotocol


async def test_a_client_with_only_unknown_subprotocols_is_refused(node: RunningNode) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with node.client(subprotocols=[Subprotocol("chat")]):
            pass
    assert caught.value.response.status_code == 400
    assert JSON.subprotocol in bytes(caught.value.response.body or b"").decode()


async def test_compression_is_not_negotiated(node: RunningNode) -> None:
    async with node.client(extensions=[ClientPerMessageDeflateFactory()]) as client:
        assert "Sec-WebSocket-Extensions" not in client.websocket.response.headers  # type: ignore[union-attr]
        await client.join("score:1")


async def test_pages_connect_from_the_same_host_or_a_listed_origin() -> None:
    async with running_node(origins=["https://listed.example"]) as node:
        for origin, status in {
            "http://127.0.0.1:3000": 101,
            "https://127.0.0.1": 101,
            "https://listed.example": 101,
            "https://listed.example:8443": 403,
            "http://listed.example": 403,
            "https://other.example": 403,
            "https://127.0.0.1.other.example": 403,
            "null": 403,
            "nonsense": 403,
            "http://[": 403,
            "http://": 403,
        }.items():
            assert await status_of(node, Origin=origin) == status, origin


async def test_the_origin_star_allows_all_pages() -> None:
    async with running_node(origins=["*"]) as node:
        assert await status_of(node, Origin="https://other.example") == 101


async def test_an_invalid_host_does_not_match_an_invalid_origin(node: RunningNode) -> None:
    assert await status_of(node, Host=":80", Origin="null") == 403


async def test_several_origins_are_refused(node: RunningNode) -> None:
    assert await status_of(node, Origin=f"http://{node.host}\r\nOrigin: http://{node.host}") == 403


async def test_other_paths_are_not_found(node: RunningNode, caplog: pytest.LogCaptureFixture) -> None:
    for target in ("/", "/ws/", "/wsx", "/metrics", "//[", "*"):
        assert await status_of(node, target) == 404, target
    assert not caplog.records


async def test_the_path_may_have_a_query_or_be_a_whole_url(node: RunningNode) -> None:
    for target in ("/ws", "/ws?token=1", "http://live.example/ws"):
        assert await status_of(node, target) == 101, target


async def test_a_plain_http_request_gets_upgrade_required(node: RunningNode) -> None:
    assert await status_of(node, Upgrade="", Connection="") == 426


async def test_methods_other_than_get_are_not_allowed(node: RunningNode) -> None:
    assert await status_of(node, method="POST") == 405


HEAD = b"GET /ws HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ADVICE = {
    400: [JSON.subprotocol, "Sec-WebSocket-"],
    405: ["GET", "control plane"],
    414: ["query"],
    426: ["Upgrade", "/v1/rooms/"],
    431: ["headers", "hello"],
    505: ["HTTP/1.1", "proxy_http_version"],
}
"""What the body of each status names, of those by which websockets itself refuses a request."""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + UPGRADE + KEY + b"\r\n", 400),
        (HEAD + UPGRADE + KEY + b"Sec-WebSocket-Version: 8\r\n\r\n", 400),
        (HEAD + UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n", 400),
        (HEAD + UPGRADE + KEY + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 400),
        (b"GET /ws HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (HEAD.replace(b"GET", b"PUT") + UPGRADE + b"\r\n", 405),
        (HEAD.replace(b"GET", b"HEAD") + UPGRADE + b"\r\n", 405),
        (b"GET /ws?" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET " + target_of(query="x" * 9_000).encode() + b" HTTP/1.1\r\n\r\n", 414),
        (HEAD + b"Connection: keep-alive\r\n\r\n", 426),
        (HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 426),
        (HEAD + b"Cookie: " + b"x" * 9_000 + b"\r\n\r\n", 431),
        (HEAD + b"X: y\r\n" * 200 + b"\r\n", 431),
        (HEAD.replace(b"1.1", b"1.0") + b"Connection: close\r\n\r\n", 505),
        (HEAD.replace(b"1.1", b"1.0") + UPGRADE + KEY + b"Sec-WebSocket-Version: 13\r\n\r\n", 505),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
async def test_each_refusal_of_the_library_says_what_to_do(node: RunningNode, sent: bytes, status: int) -> None:
    answer = await response_to(node, sent)
    assert answer.status == status
    if not sent.startswith(b"HEAD"):
        assert [part for part in ADVICE[status] if part not in answer.body.decode()] == []


@pytest.mark.parametrize("header", ["Sec_WebSocket_Key", "Sec_WebSocket_Version"])
async def test_an_incomplete_handshake_is_a_bad_request(node: RunningNode, header: str) -> None:
    assert await status_of(node, **{header: ""}) == 400


async def test_a_full_edge_refuses_clients_until_one_leaves() -> None:
    async with running_node(connections_max=2) as node, node.client():
        async with node.client():
            assert await status_of(node) == 503
        await eventually(lambda: node.node.core.connections == 1)
        assert await status_of(node) == 101


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n",
        b"hello\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nno colon\r\n\r\n",
        b"\r\n\r\n",
        b"\xff" * 10_000,
        b"GET /ws HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000,
        b"GET /" + b"x" * 100_000,
        b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 1_000,
    ],
    ids=["tls", "words", "header", "nothing", "endless", "huge header", "huge path", "many headers"],
)
async def test_bytes_that_are_not_http_close_the_connection(
    node: RunningNode, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with node.raw() as client:
        await client.send_bytes(sent)
        answer = await client.read_all()
        assert not answer.startswith(b"HTTP/1.1 101")
    await eventually(lambda: node.node.core.connections == 0)
    assert not caplog.records


@pytest.mark.parametrize("sent", [b"", b"GET /ws HTTP/1.1\r\nHost: "], ids=["nothing", "a part"])
async def test_a_client_that_does_not_finish_its_request_is_disconnected(sent: bytes) -> None:
    async with running_node(handshake_timeout_s=0.2) as node, node.raw() as client:
        await client.send_bytes(sent)
        assert await client.read_all() == b""


async def test_no_hello_in_time_closes_with_4001() -> None:
    async with running_node(handshake_timeout_s=0.2) as node, node.client(greeted=False) as client:
        assert await client.closed() == (codes.HELLO_TIMEOUT.code, codes.HELLO_TIMEOUT.name)


async def test_a_client_that_says_hello_in_time_stays_connected() -> None:
    async with running_node(handshake_timeout_s=60) as node, node.client() as client:
        with node.clocks_ahead(120):
            node.tick()
            await client.join("score:1")


@pytest.mark.parametrize(
    "first",
    [JSON.encode(Subscribe(rooms=[])), b'{"type":"greetings"}', b"nonsense", b"", b'{"type":"hello","agent":1}'],
)
async def test_a_first_message_other_than_hello_closes_with_4500(node: RunningNode, first: bytes) -> None:
    async with node.client(greeted=False) as client:
        await client.send_bytes(first)
        assert (await client.closed())[0] == codes.HELLO_EXPECTED.code


async def test_a_second_hello_is_out_of_order(node: RunningNode) -> None:
    async with node.client() as client:
        await client.send(Hello())
        assert (await client.expect(Error)).code == codes.OUT_OF_ORDER.code


async def test_a_client_need_not_wait_for_the_welcome(node: RunningNode) -> None:
    async with node.client(greeted=False) as client:
        await client.send(Hello(agent="test"))
        await client.send_bytes(b'{"type":"subscribe","rooms":[{"room":"score:1"}],"new":{"x":[1]}}')
        welcome = await client.expect(Welcome)
        assert (welcome.edge, welcome.heartbeat_ms) == ("edge-1", 1000 * LONGER_THAN_A_TEST_S)
        assert (await client.next()).__class__.__name__ == "Subscribed"
