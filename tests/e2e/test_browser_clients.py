"""A browser's clients of a real edge over Kafka, whose connections are cut: the TypeScript SDK and an `EventSource`."""

import json
import random
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.async_api import Browser, Page, WebSocket

from demo.scripted_edge import scripted_edge
from support.browser import launched_browser, open_page
from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.kafka_truth import read_log
from support.log_harness import Raw
from support.node_fixture import running_node
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Received, Settled, Shown, Trace
from touchline_loadtest.checks.values import value_of
from touchline_loadtest.rig.relay import Relay
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Subscribe, Subscribed
from touchline_server.config.tables import FeedSettings

ROOM = "score:1"
ROUNDS, AT_ONCE = 4, 15
KEYS = ("score", None, "clock", "card")
WAIT_MS = 30_000

ROOT = Path(__file__).parents[2]
SDK = ROOT / "clients" / "js" / "dist"

START = """async ([url, stream, room]) => {
  const { connect } = await import("/sdk/index.js");
  window.shown = [];
  window.streamed = [];
  connect(url).subscribe(room, {
    onJoined: ({ recovered, state }) => recovered || shown.push({ state: [...state.values()] }),
    onEvent: (event) => shown.push({ event }),
  });
  window.source = new EventSource(stream);
  source.onmessage = ({ data }) => streamed.push(JSON.parse(data));
}"""
READY = "shown.length > 0 && streamed.length > 0"
EVENTS = """count =>
  shown.filter((it) => it.event).length >= count && streamed.filter((it) => it.type === "event").length >= count
"""


class Frames:
    """All frames of a page's WebSockets: whether the page has sent it, and its payload."""

    def __init__(self, page: Page) -> None:
        self.all: list[tuple[bool, bytes]] = []
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: self._add(payload, is_sent=True))
        socket.on("framereceived", lambda payload: self._add(payload, is_sent=False))

    def _add(self, payload: str | bytes, *, is_sent: bool) -> None:
        self.all.append((is_sent, payload.encode() if isinstance(payload, str) else payload))


def trace_of_page(frames: Frames, shown: Sequence[Any]) -> Trace:
    """What the SDK received, and the state that it has told its page."""
    trace = Trace("the SDK", ROOM)
    follower = RoomFollower(trace)
    for is_sent, payload in frames.all:
        if not is_sent:
            assert follower.receive(JSON.decode_server(payload)) is None
        elif isinstance(message := JSON.decode_client(payload), Subscribe):
            (request,) = message.rooms
            cursor = None if request.epoch is None or request.after is None else (request.epoch, request.after)
            follower.present(cursor)
    state: dict[str, int] = {}
    for item in shown:
        if "state" in item:
            state = {event["key"]: value_of(event["key"], event["data"], event["ts"]) for event in item["state"]}
        elif (key := item["event"].get("key")) is not None and item["event"]["data"] is None:
            state.pop(key, None)
        elif key is not None:
            state[key] = value_of(key, item["event"]["data"], item["event"]["ts"])
    assert follower.live.cursor is not None
    trace.add(Shown(*follower.live.cursor, state))
    trace.add(Settled())
    return trace


def trace_of_stream(streamed: Sequence[Any]) -> Trace:
    """What an `EventSource` received. The browser comes back with the cursor of the last message."""
    trace = Trace("an EventSource", ROOM)
    follower = RoomFollower(trace)
    for message in streamed:
        decoded = JSON.decode_server(json.dumps(message).encode())
        if isinstance(decoded, Subscribed):
            follower.present(follower.live.cursor)
        assert follower.receive(decoded) is None
    trace.add(Settled())
    return trace


def events(round_: int) -> list[Raw]:
    """Events with and without keys, some of which remove their keys."""
    some = []
    for number in range(AT_ONCE):
        key = KEYS[number % len(KEYS)]
        data = None if key == "card" and number % 8 == 3 else {"round": round_, "n": number}
        some.append(Raw(b"1", msgspec.json.encode(data), [] if key is None else [("key", key.encode())]))
    return some


@pytest.fixture(scope="module")
def sdk() -> Path:
    """The built SDK's files."""
    subprocess.run(["make", "--silent", "build-js"], cwd=ROOT, capture_output=True, check=True)
    return SDK


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with launched_browser() as browser:
        yield browser


@pytest.mark.long
async def test_a_browser_s_clients_have_the_whole_log_though_their_connections_are_cut(
    kafka: KafkaBroker, browser: Browser, sdk: Path
) -> None:
    harness = KafkaHarness(kafka)
    topic = await harness.create_topic()
    async with scripted_edge() as files, open_page(browser, bypass_csp=True) as page:
        origins = [files.url.rstrip("/")]
        feeds = {"score": FeedSettings(topic=topic)}
        async with running_node(url=f"kafka://{kafka.address}", feeds=feeds, origins=origins) as node:
            relay = Relay([node.port], random.Random(1))
            frames = Frames(page)
            async with relay.running():
                await page.route("**/sdk/*", lambda route: route.fulfill(path=sdk / route.request.url.split("/")[-1]))
                await page.goto(f"{files.url}icon.svg")
                at = f"127.0.0.1:{relay.port}"
                await page.evaluate(START, [f"ws://{at}/ws", f"http://{at}/v1/rooms/{ROOM}/events", ROOM])
                await page.wait_for_function(READY, timeout=WAIT_MS)
                for round_ in range(1, ROUNDS + 1):
                    await harness.append(topic, events(round_))
                    await page.wait_for_function(EVENTS, arg=round_ * AT_ONCE, timeout=WAIT_MS)
                    relay.cut_one()
                    relay.cut_one()
                shown, streamed = await page.evaluate("shown"), await page.evaluate("streamed")
    page_trace, stream_trace = trace_of_page(frames, shown), trace_of_stream(streamed)
    log = await read_log(kafka.address, {"score": topic})
    assert check_room(log.room(ROOM), [page_trace, stream_trace]) == []
    received = [item.offset for item in page_trace.items if isinstance(item, Received)]
    assert [item["event"]["offset"] for item in shown if "event" in item] == received
    assert len(received) == ROUNDS * AT_ONCE
    assert relay.cuts >= ROUNDS
