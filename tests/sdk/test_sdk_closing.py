"""Closing a connection whose peer reads nothing any more."""

import asyncio

import pytest

from sdk.scripted_server import Peer, scripted
from support.waiting import DEADLINE_S, eventually
from touchline import transport
from touchline.transport import Endpoint, close_websocket, open_websocket
from touchline_protocol.codecs import JSON


async def test_a_connection_is_closed_in_time_although_its_socket_takes_no_close_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "CLOSE_S_MAX", 0.1)
    closed = asyncio.Event()

    async def read_nothing(peer: Peer) -> None:
        peer.connection.transport.pause_reading()
        await closed.wait()
        peer.connection.transport.abort()

    async with scripted(read_nothing) as server:
        websocket = await open_websocket(Endpoint(server.url, None, None, proxy=False, compression=False), JSON)
        _, high_water_bytes = websocket.transport.get_write_buffer_limits()

        async def fill() -> None:
            while True:
                await websocket.send(bytes(65_536))

        filling = asyncio.create_task(fill())
        await eventually(lambda: websocket.transport.get_write_buffer_size() > high_water_bytes)
        filling.cancel()
        await asyncio.wait({filling})
        try:
            async with asyncio.timeout(DEADLINE_S):
                await close_websocket(websocket)
                await websocket.wait_closed()
        finally:
            closed.set()
