"""Clients that stop reading cost nobody: not those who read, and not the edge its memory."""

import asyncio
import contextlib
import socket
from pathlib import Path

import httpx

import touchline
from support.node_fixture import RawClient
from support.processes import EdgeProcess
from support.sdk_trace import SdkTrace
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Trace
from touchline_loadtest.free_ports import free_ports
from touchline_protocol.messages import RoomRequest, Subscribe, Subscribed

ROOM = "score:1"
SLOW = 30
EVENTS, AT_ONCE = 600, 20
EVENT_BYTES = 10_000
MEMORY_BYTES_MAX = 40_000_000
"""What the edge may grow by: the room's window is 6 MB, and what the slow clients did not take is 180 MB."""


async def stopped(stack: contextlib.AsyncExitStack, port: int) -> None:
    """A client that joins and reads no more, for which the kernel takes little."""
    sock = stack.enter_context(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    client = RawClient(sock, f"127.0.0.1:{port}")
    await client.open()
    await client.send(Subscribe(rooms=[RoomRequest(room=ROOM)]))
    assert isinstance(await client.next(), Subscribed)


async def publish(http: httpx.AsyncClient, first: int) -> list[Entry]:
    """Publish events, and return them as the log has them. An event is known by its number."""
    events = [{"data": [number, "x" * EVENT_BYTES]} for number in range(first, first + AT_ONCE)]
    answer = await http.post(f"/v1/rooms/{ROOM}/events", json={"events": events})
    assert answer.status_code == 200, answer.text
    return [Entry(offset, first + place) for place, offset in enumerate(answer.json()["offsets"])]


async def test_clients_that_stop_reading_cost_neither_the_others_nor_memory(tmp_path: Path) -> None:
    config = tmp_path / "touchline.toml"
    config.write_text("drain_s = 0.0\n")
    port, control_port = free_ports(2)
    edge = EdgeProcess("edge", "sqlite://", config, (port, control_port))
    await edge.start()
    try:
        async with (
            contextlib.AsyncExitStack() as stack,
            touchline.connect(edge.url, proxy=False) as reader,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{control_port}") as http,
        ):
            reading = SdkTrace(reader, Trace("a reader", ROOM), lambda event: int(event.data[0]))
            await reading.joined()
            events = reading.events()
            for _ in range(SLOW):
                await stopped(stack, port)
            before = edge.memory_bytes()
            log = RoomLog(ROOM)
            for first in range(0, EVENTS, AT_ONCE):
                for entry in await publish(http, first):
                    log.append(LogId("score-events", 0, 0), entry)
                for _ in range(AT_ONCE):
                    await anext(events)
            assert edge.memory_bytes() - before < MEMORY_BYTES_MAX
            reading.settle()
            assert check_room(log, [reading.trace]) == []
            assert (reading.room.gaps, reading.room.restarts) == (0, 0)
    finally:
        await edge.stop()
