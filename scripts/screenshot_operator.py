#!/usr/bin/env python3
"""Take pictures of the operator's page of a busy server, over a real Kafka: light and dark, on a desktop and a phone.

The one of the desktop in light colours is docs/operator.png. It takes two minutes: `make screenshots`.
"""

import asyncio
import tempfile
from pathlib import Path

from e2e.worker_server import WorkerServer, worker_server
from operator_page.board import PHONE, Board
from operator_page.busy_server import KEYS, crowd, join_and_sleep, publish_for
from support.browser import launched_browser, open_page
from support.kafka_broker import KafkaBroker

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / ".cache" / "screenshots"
SIZES = (60, 38, 21, 12, 9, 7, 4, 2)
"""Clients per room."""
BUSY_S = 40.0
"""Long enough for the charts to have something to show."""
WIDE = {"width": 1440, "height": 900}


async def take_pictures(server: WorkerServer) -> None:
    """Take all pictures of a server."""
    async with launched_browser() as browser, open_page(browser) as page:
        board = Board(page, server.control_port)
        await board.open()
        for device, size in (("desktop", WIDE), ("phone", PHONE)):
            await page.set_viewport_size(size)  # type: ignore[arg-type]
            for theme in ("light", "dark"):
                await page.emulate_media(color_scheme=theme)
                await page.wait_for_timeout(1500)
                await page.screenshot(path=PICTURES / f"operator-{device}-{theme}.png", full_page=True)
        await page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        await page.emulate_media(color_scheme="light")
        await page.wait_for_timeout(1500)
        await page.screenshot(path=ROOT / "docs" / "operator.png", full_page=True)
        await board.row("rooms", "score:15946").get_by_role("button").click()
        await page.wait_for_timeout(1500)
        await page.screenshot(path=PICTURES / "operator-room.png")


async def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        broker = KafkaBroker(Path(folder) / "broker")
        broker.start()
        try:
            async with worker_server(broker, Path(folder), **KEYS) as server:
                await server.until_ready()
                async with crowd(server, SIZES) as clients:
                    slow = await join_and_sleep(server, "score:15947", "player-on-a-train")
                    for _ in range(40):
                        server.post("/v1/rooms/score:15947/events", {"data": {"note": "x" * 100_000}, "key": "note"})
                    await publish_for(server, BUSY_S / 2, len(SIZES))
                    for client in clients[::20]:
                        await client.close()
                    server.post("/v1/players/kick", {"player": "player-1-7", "seconds": 300, "reason": "spam"})
                    await publish_for(server, BUSY_S / 2, len(SIZES))
                    busy = asyncio.create_task(publish_for(server, BUSY_S, len(SIZES)))
                    await take_pictures(server)
                    busy.cancel()
                    slow.transport.abort()
        finally:
            broker.stop(kill=True)


if __name__ == "__main__":
    asyncio.run(main())
