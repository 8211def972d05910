"""Locust's own page in a real browser, while a load test runs: it shows what matters, under the names of the rows."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.async_api import Page

from support.browser import launched_browser, open_page
from support.waiting import eventually
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.locust.observe import rows

COMMAND = (sys.executable, "-m", "touchline_loadtest", "run")
SMALL = ("--users", "40", "--seconds", "300", "--matches", "5", "--speed", "20", "--shape", "steady")
PERCENTILES = ("Median (ms)", "95%ile (ms)", "99%ile (ms)", "99.9%ile (ms)")
NUMBER = re.compile(r"\d")


async def table(page: Page) -> Mapping[str, Mapping[str, str]]:
    """The statistics that the page shows: each row by its name, each cell by its column."""
    heads = [text.strip() for text in await page.locator("table thead th").all_inner_texts()]
    found = {}
    for line in await page.locator("table tbody tr").all():
        cells = dict(zip(heads, [text.strip() for text in await line.locator("td").all_inner_texts()], strict=False))
        found[cells["Name"]] = cells
    return found


async def filled_table(page: Page, names: set[str]) -> Mapping[str, Mapping[str, str]]:
    """The statistics, once all of these rows are there."""
    async with asyncio.timeout(60):
        while not names <= (found := await table(page)).keys():  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return found


@pytest.mark.long
@pytest.mark.timeout(100)
async def test_the_page_shows_connects_states_events_actions_and_failures(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    folder = tmp_path / "run"
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *SMALL, "--folder", str(folder), "--web", "--web-port", str(port), stdout=subprocess.PIPE
    )
    try:
        log = folder / "locust.log"
        await eventually(lambda: log.exists() and f":{port}" in log.read_text())
        async with launched_browser() as browser, open_page(browser) as page:
            await page.goto(f"http://127.0.0.1:{port}")
            shown = await filled_table(page, {rows.CONNECT, rows.FIRST_STATE, rows.EVENT, rows.ACTION})
            for name in (rows.CONNECT, rows.FIRST_STATE, rows.EVENT, rows.ACTION):
                cells = shown[name]
                assert int(cells["# Requests"].replace(",", "")) > 0, name
                assert cells["# Fails"] == "0", name
                assert all(NUMBER.search(cells[column]) for column in PERCENTILES), (name, cells)
            assert float(shown[rows.EVENT]["99.9%ile (ms)"]) > 0
            assert await page.get_by_role("tab", name="Failures").is_visible()
        process.send_signal(signal.SIGINT)
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, printed.decode()
    assert (folder / "report.html").exists()
