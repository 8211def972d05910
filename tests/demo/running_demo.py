"""The whole demo in the test's process, on free ports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from touchline_demo.app import Demo
from touchline_demo.schedule import invented
from touchline_server.config.settings import Settings

DEADLINE_S = 60.0
RATE = 2.0


class RunningDemo:
    """A demo that has started. ``http`` is a client of its control port; ``match_id`` is a match being played."""

    def __init__(self, demo: Demo, http: httpx.AsyncClient) -> None:
        self.demo = demo
        self.http = http
        self.page = str(http.base_url)
        self.edge = f"ws://127.0.0.1:{demo.node.edge_port}/ws"
        self.match_id = "1001"

    async def token(self, **form: Any) -> str:
        """A token, requested like the page does."""
        answer = await self.http.post("/demo/token", json=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    async def start_bot(self, cheat: str) -> httpx.Response:
        """Ask for a bot in the match."""
        return await self.http.post("/demo/bots", json={"cheat": cheat, "match": self.match_id})


@asynccontextmanager
async def running_demo(**settings: Any) -> AsyncIterator[RunningDemo]:
    """Run a demo; its matches are being played."""
    defaults: dict[str, Any] = {"log": "sqlite://", "port": 0, "control_port": 0}
    demo = Demo(Settings(**(defaults | settings)), invented(2, RATE))
    await demo.node.start()
    running = asyncio.create_task(demo.run())
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{demo.node.control_port}") as http:
            async with asyncio.timeout(DEADLINE_S):
                while len((await http.get("/demo.json")).json()["matches"]) < 2:  # noqa: ASYNC110 - they are played
                    await asyncio.sleep(0.02)
            yield RunningDemo(demo, http)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await demo.node.stop()
