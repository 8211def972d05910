"""A browser's EventSource, in a page from another origin."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from edge.streams import ROOM, stream, target_of
from support.browser import launched_browser, open_page
from support.node_fixture import RunningNode, running_node
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Settled, Trace
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Subscribed
from touchline_server.edge.requests import event_stream, handshake

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the browser's loop

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<!doctype html>"

WATCH = """
url => {
    window.messages = [];
    window.events = [];
    window.starts = [];
    window.errors = [];
    window.source = new EventSource(url);
    source.onmessage = ({data, lastEventId}) => {
        const message = JSON.parse(data);
        messages.push(data);
        if (message.type === "event") events.push([message.data, lastEventId.split(".")[1] === String(message.offset)]);
        if (message.type === "subscribed") starts.push(message.recovered);
        if (message.type === "error") errors.push(message.code);
    };
}
"""


async def serve_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(PAGE)
    writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with launched_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def origin() -> AsyncIterator[str]:
    """The origin of an empty page, on another host (localhost) than the edge (127.0.0.1).

    A real server serves it, since a browser does not let pages from elsewhere connect to this machine.
    """
    async with await asyncio.start_server(serve_page, "127.0.0.1", 0) as server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}"


async def watch(page: Page, origin: str, node: RunningNode) -> None:
    """Open the page and start watching a room."""
    await page.goto(origin)
    await page.evaluate(WATCH, f"http://{node.host}:{node.port}{target_of()}")


async def until(page: Page, condition: str) -> None:
    await page.wait_for_function(condition, timeout=30_000)


async def test_a_page_gets_each_event_once_and_in_order_across_a_restart_of_the_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Browser, origin: str
) -> None:
    monkeypatch.setattr(event_stream, "RETRY_MS", (100, 100))
    options: dict[str, Any] = {"url": f"sqlite:///{tmp_path / 'log.db'}", "origins": [origin]}
    async with open_page(browser) as page:
        async with running_node(**options) as node:
            port = node.port
            await watch(page, origin, node)
            await until(page, "starts.length === 1")
            await node.publish("score:1", *range(5))
            await until(page, "events.length === 5")
        async with running_node(**options | {"port": port}) as node:
            await node.publish("score:1", 5, 6)
            await until(page, "events.length === 7")
            await node.publish("score:1", 7)
            await until(page, "events.length === 8")
        assert await page.evaluate("starts") == [False, True]
        assert all(is_id for _, is_id in await page.evaluate("events")), "an id is not the event's offset"
        trace = trace_of(await page.evaluate("messages"))
    topic = LogId("score-events", 0, 0)
    assert check_room(RoomLog.of(ROOM, {topic: [Entry(number, number) for number in range(8)]}), [trace]) == []


def trace_of(messages: Sequence[str]) -> Trace:
    """What a browser received, which comes back with the id of the last message. The events are numbers."""
    follower = RoomFollower(trace := Trace("an EventSource", ROOM), lambda event: int(event.data))
    for message in messages:
        decoded = JSON.decode_server(message.encode())
        if isinstance(decoded, Subscribed):
            follower.present(follower.live.cursor)
        assert follower.receive(decoded) is None
    trace.add(Settled())
    return trace


async def test_a_page_from_an_unlisted_origin_gets_nothing(browser: Browser, origin: str) -> None:
    console: list[str] = []
    async with running_node() as node, open_page(browser) as page:
        page.on("console", lambda message: console.append(message.text))
        await watch(page, origin, node)
        await until(page, "source.readyState === EventSource.CLOSED")
        await node.publish("score:1", 1)
        assert await page.evaluate("[events, starts, errors]") == [[], [], []]
    assert any("403" in text or "Access-Control-Allow-Origin" in text for text in console), console


async def test_a_page_retries_at_a_full_edge(monkeypatch: pytest.MonkeyPatch, browser: Browser, origin: str) -> None:
    monkeypatch.setattr(handshake, "RETRY_AFTER_MS", (50, 50))
    async with running_node(origins=[origin], connections_max=1) as node, open_page(browser) as page:
        async with stream(node):
            await watch(page, origin, node)
            await until(page, "errors.length >= 2")
        await until(page, "starts.length === 1")
        assert set(await page.evaluate("errors")) == {"unavailable"}
