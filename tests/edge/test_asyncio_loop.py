"""The edge on asyncio's own event loop, which reports a lost peer at other moments than uvloop does."""

import asyncio
import contextlib
import struct

from websockets.frames import Opcode

from support.node_fixture import RunningNode, client_frame, running_node
from touchline_protocol.messages import RoomRequest, Subscribe, Subscribed

ROOM = "score:1"
CLIENTS = 100
GOING_AWAY = client_frame(Opcode.CLOSE, struct.pack(">H", 1001))


async def join_and_vanish(node: RunningNode) -> None:
    """Do as a browser does whose page is left: send a close frame, and be gone before the answer comes."""
    async with node.raw() as client:
        await client.open()
        await client.send(Subscribe(rooms=[RoomRequest(room=ROOM)]))
        assert isinstance(await client.next(), Subscribed)
        client.sock.send(GOING_AWAY)
        client.sock.close()
        await asyncio.sleep(0)


async def publish(node: RunningNode) -> None:
    while True:
        await node.publish(ROOM, 1)


def test_clients_that_vanish_while_events_are_written_do_not_harm_the_edge() -> None:
    async def run() -> None:
        async with running_node() as node:
            publishing = [asyncio.create_task(publish(node)) for _ in range(3)]
            for _ in range(CLIENTS):
                await join_and_vanish(node)
            assert not node.edge.driver.failure.done()
            for task in publishing:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    asyncio.run(run())
