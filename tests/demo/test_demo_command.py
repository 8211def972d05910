"""``touchline demo`` as a new user runs it: installed from a wheel, in an empty folder."""

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect

from cli.processes import line_of, stop
from matches.known import MADE_UP
from support.browser import open_page
from support.distribution import ROOT
from support.made_once import made_once
from support.processes import environment
from touchline_demo.cli.demo import new_key


@pytest.fixture(scope="session")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's packages in a folder of their own."""
    (wheel,) = dist.glob("*.whl")

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
        subprocess.run([*pip, str(wheel)], check=True)

    return made_once(tmp_path_factory, "installed", install)


def demo(installed: Path, folder: Path, *args: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-W", "error", "-m", "touchline_server", "demo", "--port", "0", "--control-port", "0"]
    process = subprocess.Popen(
        [*command, *args],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(installed)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def made_up(installed: Path, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    yield from demo(installed, tmp_path)


@pytest.fixture
def replayed(installed: Path, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    yield from demo(installed, tmp_path, "--match", str(MADE_UP.path))


async def test_the_page_shows_live_scores_of_invented_matches(
    made_up: "subprocess.Popen[str]", browser: Browser, tmp_path: Path
) -> None:
    address = page_of(made_up)
    async with open_page(browser) as page:
        await page.goto(address)
        await expect(page.locator(".card")).to_have_count(3)
        before = await page.locator("body").inner_text()
        await page.wait_for_function("before => document.body.innerText !== before", arg=before)
        await page.locator("#cheer-home").click()
        await expect(page.locator("#cheer-home .cheer-count")).to_have_text("1")
        await page.get_by_role("button", name="taps too fast").click()
        await page.get_by_text("broke “rate”").first.wait_for()
    code, _, errors = stop(made_up, signal.SIGINT)
    assert (code, errors) == (0, "")
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # ruff takes pathlib's way for one that waits


async def test_a_recorded_match_is_shown_with_its_attribution(
    replayed: "subprocess.Popen[str]", browser: Browser
) -> None:
    address = page_of(replayed)
    async with open_page(browser) as page:
        await page.goto(address)
        await page.get_by_text("Birch End").first.wait_for()
        await page.get_by_text("Data provided by StatsBomb").first.wait_for()


def test_the_banner_shows_the_page_and_commands_that_work(made_up: "subprocess.Popen[str]") -> None:
    said = page_of(made_up)
    assert said
    lines = [line_of(made_up.stdout, made_up) for _ in range(8)]
    assert "bot" in lines[0]
    tries = [line.strip() for line in lines if line.startswith("  ") and " -m touchline_server " not in line]
    assert any(" tail score:1003" in line for line in tries)
    assert any(" -m websockets ws://" in line for line in tries)
    publish = next(line for line in tries if " publish score:1003" in line)
    server = publish.split("--url ")[1]
    done = subprocess.run(
        [sys.executable, "-m", "touchline_server", "publish", "score:1003", '{"note": "hello"}', "--url", server],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def in_the_network(installed: Path, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    yield from demo(installed, tmp_path, "--host", "0.0.0.0")


async def test_other_machines_can_play_but_publish_only_with_the_key(
    in_the_network: "subprocess.Popen[str]", browser: Browser
) -> None:
    here = page_of(in_the_network)
    assert here.startswith("http://127.0.0.1:")
    lines = [line_of(in_the_network.stdout, in_the_network) for _ in range(6)]
    # A machine without a network has no address for others.
    elsewhere = next(
        (found.group() for line in lines[:1] if (found := re.search(r"http://[^/]+", line))), here.rstrip("/")
    )
    async with open_page(browser) as page:
        await page.goto(elsewhere)
        await expect(page.locator("#status")).to_have_text("live")
        await page.locator("#cheer-home").click()
        await expect(page.locator("#cheer-home .cheer-count")).to_have_text("1")
        await page.get_by_role("button", name="taps too fast").click()
        await expect(page.locator("#bots li")).to_have_count(1)
    key = shlex.split(next(line for line in lines if " publish " in line))[-1]
    async with httpx.AsyncClient(base_url=elsewhere, trust_env=False) as client:
        for headers, status in (({}, 401), ({"Authorization": f"Bearer {key}"}, 200)):
            answer = await client.post("/v1/rooms/score:1003/events", json={"data": 1}, headers=headers)
            assert answer.status_code == status
        foreign = await client.post("/demo/bots", json={}, headers={"Origin": "http://evil.example"})
        assert foreign.status_code == 403


@pytest.mark.parametrize(
    ("host", "configured", "made"),
    [(None, "", False), ("127.0.0.1", "", False), ("0.0.0.0", "", True), ("0.0.0.0", "api_keys = ['mine']", False)],
)
def test_a_key_is_made_only_if_others_could_publish_without(
    tmp_path: Path, host: str | None, configured: str, made: bool
) -> None:
    config = tmp_path / "touchline.toml"
    config.write_text(configured)
    assert (new_key(config, host) is not None) is made


def test_make_demo_serves_the_page() -> None:
    command = ["make", "--silent", "demo", "ARGS=--port 0 --control-port 0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            with urllib.request.urlopen(page_of(process)) as answer:
                assert b"<html" in answer.read()
        finally:
            os.killpg(process.pid, signal.SIGINT)


def page_of(process: "subprocess.Popen[str]") -> str:
    """The address of the page in the banner."""
    found = re.search(r"http://\S+", line_of(process.stdout, process))
    assert found
    return found.group()
