"""The page without the SDK in a real browser: the specification is enough to write a client."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from support.browser import open_page
from support.node_fixture import RunningNode, running_node
from support.waiting import DEADLINE_S
from support.web_folder import served
from touchline_loadtest.rig.relay import Relay

PAGE = Path(__file__).parents[2] / "docs" / "browser-without-sdk.html"
LINES_MAX = 80
ROOM = "match:1"

RECORD_CLOSES = """
window.closeCodes = []; // the code of each close of an open connection that the page begins
const close = WebSocket.prototype.close;
WebSocket.prototype.close = function (code) {
  if (this.readyState === WebSocket.OPEN) closeCodes.push(code);
  close.call(this, code);
};
"""


class FollowingPage:
    """The page, and what it shows."""

    def __init__(self, page: Page, documents: str) -> None:
        self._page = page
        self._documents = documents

    async def open(self, port: int) -> None:
        """Let the page follow the room at ``port``."""
        await self._page.add_init_script(RECORD_CLOSES)
        await self._page.goto(f"{self._documents}/{PAGE.name}?url=ws://127.0.0.1:{port}/ws&room={ROOM}")

    async def until_status(self, text: str) -> None:
        await self._page.get_by_role("status").get_by_text(text).wait_for(timeout=DEADLINE_S * 1000)

    async def until_shown(self, offset: int) -> None:
        await self._page.locator(f"li[id='{offset}']").wait_for(timeout=DEADLINE_S * 1000)

    async def events(self) -> list[Any]:
        """The data of the events that are shown, in order."""
        return [json.loads(text) for text in await self._page.locator("li").all_text_contents()]

    async def state(self) -> Any:
        return json.loads(await self._page.locator("pre").inner_text())

    async def closed(self) -> list[int]:
        """The codes with which the page has closed connections that were open."""
        codes: list[int] = await self._page.evaluate("closeCodes")
        return codes


@pytest.fixture(scope="module")
def documents() -> Iterator[str]:
    """The address of the documents."""
    with served(PAGE.parent) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, documents: str) -> AsyncIterator[FollowingPage]:
    async with open_page(browser) as page:
        yield FollowingPage(page, documents)


async def publish(node: RunningNode, *values: Any, key: str | None = None) -> int:
    """Publish to the room; the offset of the last event."""
    return (await node.publish(ROOM, *values, key=key))[-1].offset


def test_it_is_short_and_uses_nothing_else() -> None:
    text = PAGE.read_text("utf-8")
    assert len(text.splitlines()) <= LINES_MAX
    assert text.count("<script") == 1
    assert "import" not in text
    assert "src=" not in text


async def test_it_resumes_after_a_cut_with_each_event_once_and_in_order(page: FollowingPage) -> None:
    async with running_node() as node, Relay([node.port], random.Random(1)).running() as network:
        await publish(node, "before")
        await publish(node, {"home": 0}, key="score")
        await page.open(network.port)
        await page.until_status("live")
        assert await page.events() == ["before", {"home": 0}]
        await page.until_shown(await publish(node, 1, 2, 3))
        network.cut_all()
        await publish(node, 4, 5)
        await page.until_shown(await publish(node, {"home": 1}, key="score"))
        await publish(node, None, key="score")
        await page.until_shown(await publish(node, "gone", key="last"))
        assert await page.events() == ["before", {"home": 0}, 1, 2, 3, 4, 5, {"home": 1}, None, "gone"]
        assert await page.state() == {"last": "gone"}


async def test_it_leaves_a_server_that_stops_and_resumes_once_that_is_back(page: FollowingPage, tmp_path: Path) -> None:
    log = f"sqlite:///{tmp_path}/log.db"
    ports: list[int] = []
    async with Relay(ports, random.Random(1)).running() as network:
        async with running_node(url=log, drain_s=1) as node:
            ports[:] = [node.port]
            await page.open(network.port)
            await page.until_status("live")
            await page.until_shown(await publish(node, 1, 2))
            await node.stop_edge()
            await publish(node, 3)
        assert await page.closed() == [1000]
        async with running_node(url=log) as node:
            ports[:] = [node.port]
            await page.until_shown(await publish(node, 4))
            assert await page.events() == [1, 2, 3, 4]


async def test_it_finds_a_dead_link_by_the_missing_beats(page: FollowingPage) -> None:
    async with running_node(heartbeat_s=0.5) as node, Relay([node.port], random.Random(1)).running() as network:
        await page.open(network.port)
        await page.until_status("live")
        await page.until_shown(await publish(node, 1))
        silence = asyncio.create_task(network.silence_one(DEADLINE_S))
        await asyncio.sleep(0)  # it has begun
        await page.until_shown(await publish(node, 2))
        assert await page.events() == [1, 2]
        silence.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await silence


def event(offset: int, prev: int | None) -> dict[str, Any]:
    return {"type": "event", "room": ROOM, "offset": offset, "prev": prev, "ts": 1, "data": offset}


def subscribed(head: int, *, recovered: bool = False) -> dict[str, Any]:
    return {"type": "subscribed", "room": ROOM, "epoch": "e", "head": head, "recovered": recovered}


@asynccontextmanager
async def scripted_server(*script: list[dict[str, Any]] | int) -> AsyncIterator[tuple[int, list[dict[str, Any]]]]:
    """A server that does what no real one does: its port, and the requests for the room that it has received.

    ``script`` has the messages that answer each connection's request, or the code that closes the connection.
    """
    welcome = {"type": "welcome", "session": "s", "edge": "e", "heartbeat_ms": 60_000, "time": 1}
    answers = iter(script)
    requests: list[dict[str, Any]] = []

    async def talk(connection: ServerConnection) -> None:
        assert json.loads(await connection.recv())["type"] == "hello"
        requests.extend(json.loads(await connection.recv())["rooms"])
        answer = next(answers)
        if isinstance(answer, int):
            await connection.close(answer)
            return
        for message in [welcome, *answer]:
            await connection.send(json.dumps(message))
        await connection.wait_closed()

    handler: Callable[[ServerConnection], Awaitable[None]] = talk
    async with serve(handler, "127.0.0.1", 0, subprotocols=[Subprotocol("touchline.v1.json")]) as server:
        yield server.sockets[0].getsockname()[1], requests


async def test_after_a_gap_it_asks_again_from_its_cursor(page: FollowingPage) -> None:
    first = [subscribed(5), event(8, 5), event(14, 11)]
    second = [subscribed(14, recovered=True), event(8, 5), event(11, 8), event(14, 11)]
    async with scripted_server(first, second) as (port, requests):
        await page.open(port)
        await page.until_shown(14)
        assert await page.events() == [8, 11, 14]
        assert requests[1:] == [{"room": ROOM, "epoch": "e", "after": 8}]


async def test_events_before_a_skip_are_not_a_gap_and_do_not_move_the_cursor(page: FollowingPage) -> None:
    skip = {"type": "skipped", "room": ROOM, "from": 6, "to": 11, "count": 2}
    first = [subscribed(5), skip, event(7, 5), event(14, 11), event(20, 17)]
    second = [subscribed(20, recovered=True), event(17, 14), event(20, 17)]
    async with scripted_server(first, second) as (port, requests):
        await page.open(port)
        await page.until_shown(20)
        assert await page.events() == [7, 14, 17, 20]
        assert requests[1:] == [{"room": ROOM, "epoch": "e", "after": 14}]


async def test_it_starts_over_if_its_cursor_is_not_honoured(page: FollowingPage) -> None:
    lost = [subscribed(90), event(100, 90), event(300, 200)]
    async with scripted_server(lost, [subscribed(3), event(4, None)]) as (port, _):
        await page.open(port)
        await page.until_shown(4)
        assert await page.events() == [4]


async def test_it_gives_up_where_the_result_would_be_the_same_again(page: FollowingPage) -> None:
    async with scripted_server(4503, []) as (port, requests):
        await page.open(port)
        await page.until_status("4503")
        assert len(requests) == 1
