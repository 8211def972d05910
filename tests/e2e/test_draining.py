"""What a load balancer sees of an edge that stops: it is not ready from the first moment, and still answers."""

import asyncio

import httpx

from support.node_fixture import running_node
from touchline_protocol.messages import Goaway

LONGER_THAN_THE_TEST_S = 60


async def test_an_edge_that_drains_is_not_ready() -> None:
    async with running_node(drain_s=LONGER_THAN_THE_TEST_S) as node, httpx.AsyncClient() as http:
        address = f"http://127.0.0.1:{node.node.control_port}"
        assert (await http.get(f"{address}/readyz")).status_code == 200
        async with node.client() as client:
            stopping = asyncio.create_task(node.node.stop())
            await client.expect(Goaway)
            ready = await http.get(f"{address}/readyz")
            alive = await http.get(f"{address}/healthz")
        assert (ready.status_code, list(ready.json()["problems"])) == (503, ["edge"])
        assert alive.status_code == 200
        await stopping
