"""A real `Node` on free ports with a log in memory, and clients that can send what no library would let them send."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Opcode
from websockets.typing import Subprotocol

from support.client_model import inflated
from support.waiting import DEADLINE_S as DEADLINE_S  # noqa: PLC0414 - some import it from here
from touchline_protocol.codecs import JSON, Codec
from touchline_protocol.frames import OP_CLOSE, frame, payload_of, split_frames
from touchline_protocol.messages import (
    Event,
    Hello,
    Message,
    RoomRequest,
    ServerMessage,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Welcome,
)
from touchline_server.config.settings import Settings
from touchline_server.core.log import Log, LogEvent, Position
from touchline_server.edge.connection import Connection
from touchline_server.edge.server import EdgeServer
from touchline_server.new_events import new_event
from touchline_server.node.node import Node

LONGER_THAN_A_TEST_S = 3600.0
"""The default interval of heartbeats: on a busy machine, a shorter one would disturb tests that expect an answer."""

M = TypeVar("M", bound=Message)
Observe: TypeAlias = tuple[str, Callable[[LogEvent], None]]


class RunningNode:
    """A started node, and ways to reach it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.host = node.settings.host
        self.port = node.edge_port
        self.url = f"ws://{self.host}:{self.port}/ws"

    @property
    def edge(self) -> EdgeServer:
        assert self.node._edge is not None
        return self.node._edge

    async def stop_edge(self) -> None:
        """Drain and stop the edge as the node does when it stops, which then still needs its control plane."""
        await self.edge.drain()
        await self.edge.stop()

    @property
    def connections(self) -> list[Connection]:
        return [owner for owner in self.node.core.owners if isinstance(owner, Connection)]

    def set_ack_max(self, ack_ms_max: int) -> None:
        """Change how long a peer may acknowledge nothing before the edge takes it for gone."""
        liveness = self.node.core._liveness
        liveness.reload(liveness._limits._replace(ack_ms_max=ack_ms_max))

    def tick(self) -> None:
        """Make the edge check its clocks now, as it does ten times a second."""
        driver = self.edge.driver
        driver.perform(driver.core.tick(driver.now()))

    @contextlib.contextmanager
    def clocks_ahead(self, seconds: float) -> Iterator[None]:
        """Set both clocks of the edge ahead until the end of the block, instead of waiting for time to pass."""
        driver = self.edge.driver
        wall_ns, monotonic_s = driver.wall_ns, driver.monotonic_s
        driver.wall_ns = lambda: wall_ns() + round(seconds * 1e9)
        driver.monotonic_s = lambda: monotonic_s() + seconds
        try:
            yield
        finally:
            driver.wall_ns, driver.monotonic_s = wall_ns, monotonic_s

    async def publish(self, room: str, *values: Any, key: str | None = None) -> list[Position]:
        """Append events to a room, and return their positions. The value None removes ``key``."""
        events = [new_event(json.dumps(value).encode(), key) for value in values]
        published = await self.node.publish(room, events)
        return [Position(each.partition, each.offset) for each in published]

    @contextlib.asynccontextmanager
    async def client(self, codec: Codec = JSON, *, greeted: bool = True, **options: Any) -> AsyncIterator["Client"]:
        """A client of the websockets library. ``options`` are passed to its `connect`."""
        subprotocols = [Subprotocol(codec.subprotocol)]
        async with connect(
            self.url, **({"subprotocols": subprotocols, "compression": None, "max_size": None} | options)
        ) as websocket:
            client = Client(websocket, codec)
            if greeted:
                await client.greet()
            yield client

    @contextlib.asynccontextmanager
    async def raw(self, *, receive_bytes: int | None = None) -> AsyncIterator["RawClient"]:
        """A client that is a bare socket. Its kernel buffers about ``receive_bytes`` bytes that it does not read."""
        sock = socket.socket()
        with sock:
            if receive_bytes is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (self.host, self.port))
            yield RawClient(sock, f"{self.host}:{self.port}")


class Client:
    """A client that reads continuously."""

    def __init__(self, websocket: ClientConnection, codec: Codec) -> None:
        self.websocket = websocket
        self.codec = codec

    async def send(self, message: Message) -> None:
        await self.send_bytes(self.codec.encode(message))

    async def send_bytes(self, payload: bytes) -> None:
        await self.websocket.send(payload, text=self.codec is JSON)

    async def next(self, timeout_s: float = DEADLINE_S) -> ServerMessage:
        """The next message of any type. Raises ConnectionClosed or TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return self.codec.decode_server(await self.websocket.recv(decode=False))

    async def expect(self, kind: type[M]) -> M:
        """The next message, which must be of type ``kind``."""
        message = await self.next()
        assert isinstance(message, kind), message
        return message

    async def events(self, count: int) -> list[Event]:
        return [await self.expect(Event) for _ in range(count)]

    async def greet(self) -> Welcome:
        await self.send(Hello())
        return await self.expect(Welcome)

    async def join(self, room: str, **request: Any) -> Subscribed:
        await self.send(Subscribe(rooms=[RoomRequest(room=room, **request)]))
        return await self.expect(Subscribed)

    async def leave(self, room: str) -> None:
        await self.send(Unsubscribe(rooms=[room]))
        await self.expect(Unsubscribed)

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait until the connection is closed, and return the close frame's code and reason."""
        async with asyncio.timeout(DEADLINE_S):
            await self.websocket.wait_closed()
        return self.websocket.close_code, self.websocket.close_reason


class RawClient:
    """A client that reads only on demand, and can send any bytes."""

    def __init__(self, sock: socket.socket, host: str) -> None:
        self.sock = sock
        self.host = host
        self.codec = JSON
        self._received = b""
        self._loop = asyncio.get_running_loop()

    @property
    def port(self) -> int:
        port: int = self.sock.getsockname()[1]
        return port

    async def send_bytes(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def read_some(self) -> bytes:
        """The next bytes; empty after the connection was closed or reset."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self._loop.sock_recv(self.sock, 1 << 16)
            except ConnectionResetError:
                return b""

    async def read_all(self) -> bytes:
        data = b""
        while some := await self.read_some():
            data += some
        return data

    async def request(self, target: str = "/ws", headers: Mapping[str, str] | None = None, method: str = "GET") -> None:
        """Send the opening handshake. An empty value in ``headers`` removes a header, other values set it."""
        fields = {
            "Host": self.host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        } | dict(headers or {})
        lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value]
        await self.send_bytes((f"{method} {target} HTTP/1.1\r\n" + "".join(lines) + "\r\n").encode())

    async def status(self) -> int:
        """Read the head of the response, and return its status. The bytes after it stay unread."""
        while b"\r\n\r\n" not in self._received:
            some = await self.read_some()
            assert some, f"closed after {self._received!r}"
            self._received += some
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        self.response_head = head.decode()
        return int(head.split()[1])

    async def open(self, **headers: str) -> None:
        """Open the WebSocket, say hello, and wait for the welcome."""
        await self.request(headers=headers)
        assert await self.status() == 101
        await self.send(Hello())
        assert isinstance(await self.next(), Welcome)

    async def send(self, message: Message) -> None:
        await self.send_frame(Opcode.TEXT, self.codec.encode(message))

    async def send_frame(self, opcode: Opcode, payload: bytes, *, fin: bool = True) -> None:
        await self.send_bytes(client_frame(opcode, payload, fin=fin))

    async def next_frame(self) -> bytes:
        """The next frame; empty at the end of the connection."""
        while True:
            whole = _whole_frame(self._received)
            if whole:
                self._received = self._received[len(whole) :]
                return whole
            some = await self.read_some()
            if not some:
                return b""
            self._received += some

    async def next(self) -> ServerMessage:
        """The next message."""
        received = await self.next_frame()
        assert received, "closed without a close frame"
        assert received[0] & 0xF != OP_CLOSE, received
        return self.codec.decode_server(inflated(received))

    async def close_code(self) -> int | None:
        """Read to the end, and return the code of the close frame; None if there was none."""
        while received := await self.next_frame():
            if received[0] & 0xF == OP_CLOSE:
                return int.from_bytes(payload_of(received)[:2])
        return None


def client_frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    """A frame as a client sends it, masked with zeros. It may be invalid, unlike those of the library."""
    framed = bytearray(frame(opcode, payload))
    head = len(framed) - len(payload)
    framed[0] &= 0xFF if fin else 0x7F
    framed[1] |= 0x80
    framed[head:head] = bytes(4)
    return bytes(framed)


@contextlib.asynccontextmanager
async def running_node(
    log: Log | None = None, *, url: str = "sqlite://", observe: Observe | None = None, **settings: Any
) -> AsyncIterator[RunningNode]:
    """Run a node until the end of the block. ``log`` replaces the log at ``url``, ``settings`` override the defaults.

    ``observe``: an additional topic to read, and a callback that receives all log events.
    """
    defaults: dict[str, Any] = {"log": url, "edge_name": "edge-1", "port": 0, "control_port": 0, "drain_s": 0}
    defaults["heartbeat_s"] = LONGER_THAN_A_TEST_S
    defaults["rates"] = {"refusals_per_second_max": 10_000.0}  # as many as tests with a short `retry_s` may cause
    observed = {} if observe is None else {"extra_topics": [observe[0]], "observers": [observe[1]]}
    node = Node(Settings(**(defaults | settings)), log=log, **observed)  # type: ignore[arg-type]
    try:
        await node.start()
        yield RunningNode(node)
    finally:
        await node.stop()


def _whole_frame(data: bytes) -> bytes:
    """The first frame in ``data``; empty if it is incomplete."""
    if len(data) < 2 or len(data) < {126: 4, 127: 10}.get(data[1], 2):
        return b""
    first = next(split_frames(data))
    length = len(payload_of(first))
    stated = {126: int.from_bytes(data[2:4]), 127: int.from_bytes(data[2:10])}.get(data[1], data[1])
    return first if length == stated else b""
