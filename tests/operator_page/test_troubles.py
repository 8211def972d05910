"""Over real processes, the page shows each trouble within 5 s of its beginning, and drains a worker."""

import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from e2e.worker_server import worker_server
from operator_page.board import DEADLINE_MS, SEEN_MS, Board
from operator_page.busy_server import KEYS, crowd, join_and_sleep
from support.browser import open_page
from support.kafka_broker import KafkaBroker
from support.waiting import eventually

pytestmark = pytest.mark.long


async def test_a_dead_worker_a_silent_partition_and_a_slow_client_are_shown_within_5_s(
    kafka_to_restart: KafkaBroker, tmp_path: Path, browser: Browser
) -> None:
    broker = kafka_to_restart
    async with worker_server(broker, tmp_path, **KEYS) as server, open_page(browser) as page:
        board = Board(page, server.control_port)
        await server.until_ready()
        await board.open()
        await expect(page.locator("#attention .good")).to_be_visible(timeout=DEADLINE_MS)

        os.kill(server.pids()["edge/1"], signal.SIGKILL)
        await expect(board.attention("workers").filter(has_text="edge/1")).to_be_visible(timeout=SEEN_MS)
        await expect(board.row("workers", "edge/1")).to_contain_text("serving, start 2", timeout=DEADLINE_MS)

        async with crowd(server, [3]):
            slow = await join_and_sleep(server, "score:15946", "sleeper")
            await expect(board.row("rooms", "score:15946")).to_contain_text("4", timeout=DEADLINE_MS)
            for _ in range(30):
                server.post("/v1/rooms/score:15946/events", {"data": "x" * 200_000})
            await expect(board.row("slow", "sleeper")).to_be_visible(timeout=SEEN_MS)
            slow.transport.abort()

        broker.send_signal(signal.SIGSTOP)
        try:
            await expect(board.attention("partitions")).to_contain_text("score-", timeout=SEEN_MS)
            await expect(board.row("partitions", "score-")).to_have_class("bad")
        finally:
            broker.send_signal(signal.SIGCONT)
        await expect(board.attention("partitions")).to_have_count(0, timeout=DEADLINE_MS)


async def test_a_worker_that_is_drained_from_the_page_is_replaced(
    kafka: KafkaBroker, tmp_path: Path, browser: Browser
) -> None:
    async with worker_server(kafka, tmp_path, **KEYS) as server, open_page(browser) as page:
        await server.until_ready()
        before = server.pids()["edge/2"]
        async with crowd(server, [20]):
            pass
        board = Board(page, server.control_port)
        await board.open()
        await board.row("workers", "edge/2").get_by_role("button").click()
        await page.click("#drain .danger")
        await expect(page.locator("#drain")).to_be_hidden()
        await eventually(lambda: server.pids()["edge/2"] != before)
        await expect(board.row("workers", "edge/2")).to_contain_text("serving, start 2", timeout=DEADLINE_MS)
        (ended,) = server.lines("worker_ended")
        assert (ended["worker"], ended["level"], ended["exit_code"], ended["again_s"]) == ("edge/2", "info", 0, 0.0)
        assert [line["worker"] for line in server.lines("worker_drains")] == ["edge/2"]
        workers = [each["worker"] for each in server.get("/v1/status").json()["closes"]]
        assert len(workers) == 20
        assert set(workers) == {"edge/1", "edge/2"}
        assert server.post("/v1/workers/drain", {"worker": "edge/3"}).status_code == 404
