"""Waits until all servers are ready, with nothing degraded: what `/readyz` of edges and keepers says."""

import asyncio
import time
from collections.abc import Sequence

import httpx

from touchline_loadtest.rig.edges import Edge
from touchline_loadtest.rig.keepers import Keeper

LOOK_S = 0.1
REQUEST_TIMEOUT_S = 5.0


async def until_ready(edges: Sequence[Edge], keepers: Sequence[Keeper], timeout_s: float) -> str:
    """Wait until all of them are ready, and nothing is degraded; returns what was wrong at the end."""
    urls = {edge.name: f"http://127.0.0.1:{edge.health_port}/readyz/strict" for edge in edges}
    urls |= {keeper.name: f"http://127.0.0.1:{keeper.health_port}/readyz" for keeper in keepers}
    deadline_s = time.monotonic() + timeout_s
    async with httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, trust_env=False) as client:
        while True:
            found = await asyncio.gather(*(_problem(client, name, url) for name, url in urls.items()))
            problems = "; ".join(filter(None, found))
            if not problems or time.monotonic() > deadline_s:
                return problems
            await asyncio.sleep(LOOK_S)


async def _problem(client: httpx.AsyncClient, name: str, url: str) -> str:
    try:
        response = await client.get(url)
    except httpx.HTTPError as error:
        return f"{name}: {type(error).__name__}"
    return "" if response.status_code == httpx.codes.OK else f"{name}: {response.text}"
