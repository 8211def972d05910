"""Clients for server-sent events that are bare sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from support.event_source import EventSourceParser
from support.node_fixture import RawClient, RunningNode
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Event, Message, ServerMessage

M = TypeVar("M", bound=Message)

ROOM = "score:1"


def target_of(room: str = ROOM, query: str = "") -> str:
    """The target of a room's stream."""
    return f"/v1/rooms/{quote(room, safe='')}/events{'?' if query else ''}{query}"


class Stream:
    """A stream after the head of its response."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.parser = EventSourceParser()
        self.head = client.response_head
        self.last_event_id = ""  # after the latest message that was read
        self._received: list[tuple[ServerMessage, str]] = []
        self._take(client._received)

    async def next(self) -> ServerMessage:
        """The next message."""
        while not self._received:
            some = await self.client.read_some()
            assert some, f"the stream ended, after the comments {self.parser.comments}"
            self._take(some)
        message, self.last_event_id = self._received.pop(0)
        return message

    async def expect(self, kind: type[M]) -> M:
        message = await self.next()
        assert isinstance(message, kind), message
        return message

    async def events(self, count: int) -> list[Event]:
        return [await self.expect(Event) for _ in range(count)]

    async def rest(self) -> list[ServerMessage]:
        """All messages up to the end of the stream."""
        self._take(await self.client.read_all())
        rest, self._received = self._received, []
        self.last_event_id = self.parser.last_event_id
        return [message for message, _ in rest]

    async def comment(self) -> str:
        """The next comment. Messages before it stay unread."""
        while not self.parser.comments:
            some = await self.client.read_some()
            assert some, "the stream ended"
            self._take(some)
        return self.parser.comments.pop(0)

    def _take(self, data: bytes) -> None:
        for block in self.parser.feed(data):
            self._received.append((JSON.decode_server(block.data.encode()), block.last_event_id))


def request(target: str, headers: Mapping[str, str] | None = None, method: str = "GET", version: str = "1.1") -> bytes:
    """A request as a browser's EventSource sends it, abbreviated."""
    fields = {"Host": "localhost"} | dict(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/{version}\r\n{lines}\r\n".encode()


@contextlib.asynccontextmanager
async def stream(
    node: RunningNode,
    room: str = ROOM,
    query: str = "",
    *,
    last_event_id: str | None = None,
    receive_bytes: int | None = None,
) -> AsyncIterator[Stream]:
    """An open stream of a room."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with node.raw(receive_bytes=receive_bytes) as client:
        await client.send_bytes(request(target_of(room, query), headers))
        assert await client.status() == 200
        yield Stream(client)


class Response:
    """An HTTP response that ends with its connection. Its status is 0 if the edge sent nothing."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        status_line, *lines = head.decode().split("\r\n")
        self.status = int(status_line.split()[1]) if data else 0
        self.headers = dict(line.lower().split(": ", 1) for line in lines)

    @property
    def error(self) -> dict[str, Any]:
        """The error in the body, in the format of the control plane."""
        assert self.headers["content-type"] == "application/json"
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert error["message"]
        return error


async def response_to(node: RunningNode, *sent: bytes) -> Response:
    """Send some bytes, one piece after the other, and return the edge's response."""
    async with node.raw() as client:
        for data in sent:
            await client.send_bytes(data)
            await asyncio.sleep(0)  # so that the edge reads each piece separately
        return Response(await client.read_all())
