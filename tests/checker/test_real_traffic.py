"""Real traffic through a proxy that breaks promises: from the wire to the verdict of ``check``, each fault is found."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from support.node_fixture import RunningNode, running_node
from support.tampering import Broken, Tamper, tampering_proxy
from support.waiting import DEADLINE_S
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import Cause, Close
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Settled
from touchline_loadtest.runs.history.check import check_folder
from touchline_loadtest.runs.history.log_writer import LogWriter
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_protocol.codecs import JSON, MSGPACK, Codec
from touchline_protocol.codes import ABNORMAL, INTERNAL_ERROR
from touchline_protocol.messages import (
    Error,
    Event,
    Hello,
    ServerMessage,
    Skipped,
    Subscribe,
    Subscribed,
)

ROOM = "match:1"
CLIENT = "fan 1"
EDGE = "edge-1"
KEYS = ("score", None, "clock")
BATCH = 6
"""Events that are published before the client joins, while it follows, and while it is away."""


class Publisher:
    """Publishes numbered events, and writes what the log holds."""

    def __init__(self, node: RunningNode, log: LogWriter) -> None:
        self.number = 0
        self._node = node
        self._log = log

    async def publish(self) -> None:
        for _ in range(BATCH):
            self.number += 1
            key = KEYS[self.number % len(KEYS)]
            (position,) = await self._node.publish(ROOM, {"n": self.number}, key=key)
            log = LogId("match-events", 0, position.partition)
            self._log.append(log, ROOM, Entry(position.offset, self.number, key, order=self.number))


class Fan:
    """A client written from the specification, which reconnects after a gap."""

    def __init__(self, url: str, codec: Codec, traces: TraceWriter) -> None:
        self._url = url
        self._codec = codec
        self._traces = traces
        self._trace = traces.trace(CLIENT, ROOM)
        self._follower = RoomFollower(self._trace, _number)
        self._number = 0

    async def follow(self, number: int, meanwhile: Callable[[], asyncio.Task[None]] | None = None) -> None:
        """Follow the room until the event with this number, over as many connections as that takes."""
        async with asyncio.timeout(DEADLINE_S):
            while self._number < number:
                await self._connect(number, meanwhile)
                meanwhile = None

    def settle(self) -> None:
        self._trace.add(Settled())

    async def _connect(self, number: int, meanwhile: Callable[[], asyncio.Task[None]] | None) -> None:
        subprotocol = Subprotocol(self._codec.subprotocol)
        async with connect(self._url, subprotocols=[subprotocol], compression=None) as socket:
            await self._send(socket, Hello())
            await self._send(socket, Subscribe([self._follower.request()]))
            try:
                await self._read(socket, number, meanwhile)
                self._traces.cause(Cause("client_left", 0.0, client=CLIENT))
            except ConnectionClosed as closed:
                code = ABNORMAL.code if closed.rcvd is None else closed.rcvd.code
                self._traces.closed(Close(CLIENT, code, 0.0, edge=EDGE))

    async def _read(
        self, socket: ClientConnection, number: int, meanwhile: Callable[[], asyncio.Task[None]] | None
    ) -> None:
        while self._number < number:
            message = self._codec.decode_server(await socket.recv(decode=False))
            breach = self._follower.receive(message)
            if breach is not None and breach.kind in ("gap", "refused"):
                return
            if isinstance(message, Event):
                self._number = max(self._number, _number(message))
            elif isinstance(message, Subscribed) and not message.recovered:
                self._number = max([self._number, *map(_number, message.state)])
            if isinstance(message, Subscribed) and meanwhile is not None:
                await meanwhile()
                meanwhile = None

    async def _send(self, socket: ClientConnection, message: Hello | Subscribe) -> None:
        await socket.send(self._codec.encode(message), text=self._codec is JSON)


def _number(event: Event) -> int:
    return int(event.data["n"])


async def breaches_with(tamper: Tamper, folder: Path, codec: Codec) -> list[Breach]:
    """What ``check`` finds after a client has joined, followed, gone and come back behind the proxy."""
    async with running_node() as node, tampering_proxy(node.url, lambda _: tamper) as url:
        with TraceWriter(folder) as traces, LogWriter(folder) as log:
            publisher = Publisher(node, log)
            fan = Fan(url, codec, traces)
            await publisher.publish()
            await fan.follow(2 * BATCH, lambda: asyncio.create_task(publisher.publish()))
            await publisher.publish()
            await fan.follow(publisher.number)
            fan.settle()
    outcome = check_folder(folder)
    assert outcome.counts["events"] >= BATCH
    assert outcome.counts["resumes"] >= 1 or outcome.breaches
    return outcome.breaches


class Once:
    """Tampers with the first message of a kind that it can, and passes all others on."""

    def __init__(self, spoil: "Spoil") -> None:
        self.is_done = False
        self._spoil = spoil
        self._held: list[ServerMessage] = []

    def __call__(self, message: ServerMessage) -> Sequence[ServerMessage]:
        if self.is_done:
            return [message]
        try:
            spoiled = self._spoil([*self._held, message])
        except Broken:
            self.is_done = True
            raise
        if spoiled is None:
            return [message]
        self._held = [] if spoiled else [message]
        self.is_done = bool(spoiled)
        return spoiled


Spoil: TypeAlias = Callable[[Sequence[ServerMessage]], Sequence[ServerMessage] | None]
"""What the client receives instead of these messages: None for what they are, nothing to hold them back for now."""


def drop(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    """An event is lost. The next one shows it."""
    if not isinstance(messages[-1], Event):
        return None
    return [] if len(messages) == 1 else messages[1:]


def drop_unseen(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    """An event is lost, and the next one does not tell what it follows."""
    if not isinstance(messages[-1], Event):
        return None
    return [] if len(messages) == 1 else [replace(messages[-1], prev=None)]


def duplicate(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    return [*messages, *messages] if isinstance(messages[-1], Event) else None


def swap(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    if not isinstance(messages[-1], Event):
        return None
    return [] if len(messages) == 1 else [messages[1], messages[0]]


def change(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    event = messages[-1]
    return [replace(event, data={"n": 0})] if isinstance(event, Event) else None


def claim_another_prev(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    event = messages[-1]
    return [replace(event, prev=event.prev - 1)] if isinstance(event, Event) and event.prev else None


def forget_a_key(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    joined = messages[-1]
    return [replace(joined, state=joined.state[1:])] if isinstance(joined, Subscribed) and joined.state else None


def state_of_before(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    joined = messages[-1]
    if not isinstance(joined, Subscribed) or not joined.state:
        return None
    return [replace(joined, state=[replace(joined.state[0], data={"n": 1}), *joined.state[1:]])]


def start_over(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    """A cursor that could be honoured is not."""
    joined = messages[-1]
    if not isinstance(joined, Subscribed) or not joined.recovered:
        return None
    return [replace(joined, recovered=False, head=joined.head - 1, state_complete=False)]


def claim_a_skip(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    """`skipped` names an event that has arrived."""
    event = messages[-1]
    return [Skipped(ROOM, event.offset, event.offset, 1), event] if isinstance(event, Event) else None


def fail(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    if isinstance(messages[-1], Event):
        raise Broken(INTERNAL_ERROR.code)
    return None


def refuse(messages: Sequence[ServerMessage]) -> Sequence[ServerMessage] | None:
    if not isinstance(messages[-1], Event):
        return None
    return [Error(code="forbidden", message="no", room=ROOM)]


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
async def test_nothing_is_found_where_the_proxy_changes_nothing(tmp_path: Path, codec: Codec) -> None:
    assert await breaches_with(lambda message: [message], tmp_path, codec) == []


@pytest.mark.parametrize(
    ("kinds", "spoil"),
    [
        ({"gap"}, drop),
        ({"missing"}, drop_unseen),
        ({"doubled"}, duplicate),
        ({"gap"}, swap),
        ({"wrong_event"}, change),
        ({"wrong_prev"}, claim_another_prev),
        ({"wrong_state"}, forget_a_key),
        ({"wrong_state"}, state_of_before),
        ({"lost_cursor"}, start_over),
        ({"wrong_skip"}, claim_a_skip),
        ({"unexplained_close"}, fail),
        ({"refused"}, refuse),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_what_the_proxy_does_is_found(tmp_path: Path, kinds: set[str], spoil: Spoil) -> None:
    once = Once(spoil)
    breaches = await breaches_with(once, tmp_path, MSGPACK if spoil in (drop, change) else JSON)
    assert kinds <= {breach.kind for breach in breaches}
    assert {breach.client for breach in breaches} == {CLIENT}
