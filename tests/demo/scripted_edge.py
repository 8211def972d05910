"""A stand-in for an edge and its control plane, controlled by a test: real sockets, scripted events, the real page.

It keeps each room's events in a list and answers subscribes from it, as an edge does. A test can also make it do things
that an edge never does, such as holding back an event or going silent.
"""

import asyncio
import json
import mimetypes
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from touchline_demo.site_files import SITE, content_security_policy

DEADLINE_S = 60.0
TOKEN_MS = 3_600_000  # how long a token is valid

Json = dict[str, Any]


def acked(action: Json) -> list[Json]:
    """The answer to an action that is in the log."""
    return [{"type": "ack", "id": action["id"]}]


class ScriptedEdge:
    """Sends a test's messages to the page, and records those of the page."""

    def __init__(self) -> None:
        self.port = 0
        self.matches: list[str] = []
        self.attribution: str | None = None
        self.heartbeat_ms = 25_000
        self.is_silent = False
        self.epoch = "first"
        self.rooms: dict[str, list[Json]] = {}
        self.answer_action: Callable[[Json], list[Json]] = acked
        self.received: list[Json] = []
        self.connections: set[ServerConnection] = set()
        self.connected = 0
        self._ends: dict[str, int] = {}
        self._members: dict[str, set[ServerConnection]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def publish(
        self, room: str, data: Any, *, key: str | None = None, kept_back: bool = False, ts: int | None = None
    ) -> Json:
        """Append an event, and send it to the room's members unless it is held back."""
        log = self.rooms.setdefault(room, [])
        prev = self._ends.get(room)
        offset = (
            5 if prev is None else prev + 3
        )  # a room's offsets have holes, because its partition has other rooms too
        self._ends[room] = offset
        event = {"type": "event", "room": room, "offset": offset, "prev": prev, "ts": ts or _now_ms(), "data": data}
        event |= {"key": key} if key else {}
        log.append(event)
        if not kept_back:
            await self.send(event, room)
        return event

    async def send(self, message: Json, room: str | None = None) -> None:
        """Send a message unchanged, to a room's members or to everybody."""
        for connection in list(self.connections if room is None else self._members.get(room, ())):
            try:
                await connection.send(json.dumps(message))
            except ConnectionClosed:
                self.connections.discard(connection)

    async def disconnect(self, code: int | None = None) -> None:
        """Close all connections with a code. Without one they end without a close frame."""
        for connection in list(self.connections):
            if code is None:
                connection.transport.abort()
            else:
                await connection.close(code)

    def actions(self) -> list[tuple[int, int | None]]:
        """Id and ``prev`` of all actions received so far."""
        return [(message["id"], message.get("prev")) for message in self.received if message["type"] == "action"]

    def forget(self, event: Json) -> None:
        """Lose an event, although the next one still names it as its predecessor."""
        self.rooms[event["room"]].remove(event)

    def restart_rooms(self, epoch: str) -> None:
        """Recreate the topics: a new epoch without events."""
        self.epoch = epoch
        self.rooms.clear()
        self._ends.clear()

    def subscribes(self, room: str) -> list[Json]:
        """All requests for ``room`` so far."""
        asked = [message["rooms"] for message in self.received if message["type"] == "subscribe"]
        return [request for rooms in asked for request in rooms if request["room"] == room]

    def unsubscribes(self) -> list[str]:
        """All rooms that the page has left so far."""
        return [room for message in self.received if message["type"] == "unsubscribe" for room in message["rooms"]]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until the page's messages make a condition true."""
        async with asyncio.timeout(DEADLINE_S):
            while not is_so():  # noqa: ASYNC110 - what is waited for is any change that a test can name
                await asyncio.sleep(0.01)

    async def talk(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        self.connected += 1
        try:
            async for text in connection:
                message = json.loads(text)
                self.received.append(message)
                if self.is_silent:
                    continue
                for answer in self._answers(connection, message):
                    await connection.send(json.dumps(answer))
        except ConnectionClosed:
            pass
        finally:
            self.connections.discard(connection)
            for members in self._members.values():
                members.discard(connection)

    def _answers(self, connection: ServerConnection, message: Json) -> list[Json]:
        if message["type"] == "hello":
            return [self._welcome(message)]
        if message["type"] == "action":
            return self.answer_action(message)
        if message["type"] == "refresh":
            return [{"type": "refreshed", "expires": _now_ms() + TOKEN_MS}]
        if message["type"] == "unsubscribe":
            return [self._leave(connection, room) for room in message["rooms"]]
        return [answer for request in message["rooms"] for answer in self._join(connection, request, message["id"])]

    def _welcome(self, hello: Json) -> Json:
        limits = {"message_bytes_max": 65536, "rooms_max": 100}
        welcome = {"type": "welcome", "session": hello.get("session", "s"), "edge": "e", "time": _now_ms()}
        if "token" in hello:  # the token is the player's name
            limits |= {"action_bytes_max": 4096, "actions_window": 64}
            limits |= {"actions_burst": 0, "action_interval_ms": 0}
            welcome |= {"player": hello["token"], "expires": _now_ms() + TOKEN_MS}
        return welcome | {"heartbeat_ms": self.heartbeat_ms, "limits": limits}

    def _leave(self, connection: ServerConnection, room: str) -> Json:
        if connection not in self._members.get(room, set()):
            return {"type": "error", "code": "not_subscribed", "message": "scripted", "room": room}
        self._members[room].remove(connection)
        return {"type": "unsubscribed", "room": room}

    def _join(self, connection: ServerConnection, request: Json, request_id: int) -> list[Json]:
        room = request["room"]
        self._members.setdefault(room, set()).add(connection)
        log = self.rooms.get(room, [])
        head = log[-1]["offset"] if log else -1
        answer = {"type": "subscribed", "room": room, "epoch": self.epoch, "head": head, "id": request_id}
        if request.get("epoch") == self.epoch:
            return [answer | {"recovered": True}, *(event for event in log if event["offset"] > request["after"])]
        state = {event["key"]: event for event in log if "key" in event}
        recent = log[-request["last"] :] if request.get("last") else []
        newest = max([*state.values(), *recent], key=lambda event: event["offset"], default=None)
        answer |= {} if newest is None else {"ts": newest["ts"]}
        return [answer | {"recovered": False, "state": list(state.values()), "recent": recent}]

    def answer_http(self, _connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.split("?")[0].lstrip("/") or "index.html"
        if path == "ws":
            return None
        if path == "demo.json":
            listed = {"ws_port": self.port, "matches": self.matches, "attribution": self.attribution}
            return _response(HTTPStatus.OK, "application/json", json.dumps(listed).encode())
        file = SITE / path
        if not file.is_file():
            return _response(HTTPStatus.NOT_FOUND, "text/plain", b"there is no such file")
        response = _response(HTTPStatus.OK, mimetypes.guess_type(file)[0] or "text/plain", file.read_bytes())
        response.headers["Content-Security-Policy"] = content_security_policy("127.0.0.1", self.port)
        return response


@asynccontextmanager
async def scripted_edge() -> AsyncIterator[ScriptedEdge]:
    """An edge and its page on one free port of this machine."""
    edge = ScriptedEdge()
    async with serve(
        edge.talk,
        "127.0.0.1",
        0,
        process_request=edge.answer_http,
        subprotocols=[Subprotocol("touchline.v1.json")],
        compression=None,
        ping_interval=None,
        close_timeout=1,
    ) as server:
        edge.port = next(iter(server.sockets)).getsockname()[1]
        yield edge


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _response(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status.value, status.phrase, headers, body)
