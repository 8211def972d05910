"""Server-sent events: what a stream contains, how it resumes, and how it ends."""

import asyncio
import contextlib

import pytest

from edge.logs import TOPIC, BreakableLog, ScriptedLog, ScriptedRecord
from edge.streams import ROOM, stream
from support.client_model import RoomView
from support.node_fixture import DEADLINE_S, RunningNode, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Beat, Error, Event, Goaway, Skipped, Subscribed
from touchline_server.core.clients.client import ClientState
from touchline_server.core.log import CaughtUp, TopicOpened
from touchline_server.edge.requests.event_stream import RETRY_MS

RECEIVE_BYTES = 4096
LAG_S_MAX = 600  # longer than a test
PADDING = "x" * 1_000


async def publish_many(node: RunningNode, count: int, *, keys: int = 0) -> list[int]:
    """Publish ``count`` events of 1 KB, and return their offsets. With ``keys``, they use that many event keys."""
    offsets = []
    for number in range(count):
        key = f"k{number % keys}" if keys else None
        offsets += [position.offset for position in await node.publish(ROOM, [number, PADDING], key=key)]
    return offsets


async def test_a_stream_starts_with_the_state_and_continues_with_every_event(node: RunningNode) -> None:
    await node.publish(ROOM, {"home": 0}, {"home": 1}, key="score")
    await node.publish(ROOM, "kick-off")
    async with stream(node, query="last=2") as watching:
        assert "content-type: text/event-stream" in watching.head.lower()
        joined = await watching.expect(Subscribed)
        assert not joined.recovered
        assert [(event.key, event.data) for event in joined.state] == [("score", {"home": 1})]
        assert [event.data for event in joined.recent] == [{"home": 1}, "kick-off"]
        assert watching.last_event_id == str(Cursor(joined.epoch, joined.head, joined.recent[-1].ts))
        positions = await node.publish(ROOM, 1, {"text": "a\nb\r\n"}, [None])
        assert [event.data for event in await watching.events(3)] == [1, {"text": "a\nb\r\n"}, [None]]
        assert Cursor.parse(watching.last_event_id)[:2] == (joined.epoch, positions[-1].offset)
        assert RETRY_MS[0] <= (watching.parser.retry_ms or 0) <= RETRY_MS[1]


async def test_each_client_gets_its_own_reconnect_delay(node: RunningNode) -> None:
    retries = set()
    for _ in range(10):
        async with stream(node) as watching:
            await watching.next()
            retries.add(watching.parser.retry_ms)
    assert len(retries) > 3


async def test_a_stream_and_a_websocket_get_the_same_events(node: RunningNode) -> None:
    async with stream(node) as watching, node.client() as client:
        assert await watching.expect(Subscribed) == await client.join(ROOM)
        await node.publish(ROOM, *range(50), key="k")
        assert await watching.events(50) == await client.events(50)


@pytest.mark.parametrize("value", [b"[1,\n2]", b'{\r"a"\r\n:\n\n1\r}', b"\n\n1\r\n", b'\t"a"'])
async def test_line_breaks_in_a_producers_json_do_not_end_an_event(value: bytes) -> None:
    log = ScriptedLog(TopicOpened(TOPIC, "e", {0: 0}), CaughtUp(TOPIC))
    async with running_node(log, feeds={"score": {"topic": TOPIC}}) as node, stream(node) as watching:
        await watching.expect(Subscribed)
        log.emit_records(0, ScriptedRecord(0, b"1", value), ScriptedRecord(1, b"1", b'"next"'))
        first, second = await watching.events(2)
        assert first.data in ([1, 2], {"a": 1}, 1, "a")
        assert (second.prev, second.data) == (first.offset, "next")


async def test_a_client_that_disconnects_leaves_nothing_behind(node: RunningNode) -> None:
    async with stream(node) as watching:
        await watching.next()
        assert node.node.core.hub.rooms[ROOM].members == 1
    await eventually(lambda: node.node.core.connections == 0)
    assert not node.node.core.hub.rooms  # the room is empty and never had an event


async def test_a_last_event_id_brings_each_missed_event_once(node: RunningNode) -> None:
    async with stream(node) as watching:
        await watching.next()
        await node.publish(ROOM, *range(5))
        await watching.events(3)
        cursor = watching.last_event_id
    await node.publish(ROOM, 5)
    for query in ("", "after=x.1&last=3"):  # a browser reconnects to its old URL: the header is newer
        async with stream(node, query=query, last_event_id=cursor) as watching:
            joined = await watching.expect(Subscribed)
            assert joined.recovered
            assert joined.recent == []
            assert [event.data for event in await watching.events(3)] == [3, 4, 5]
    async with stream(node, query=f"after={cursor}", last_event_id="") as watching:
        assert (await watching.expect(Subscribed)).recovered
        assert [event.data for event in await watching.events(3)] == [3, 4, 5]


@pytest.mark.parametrize("last_event_id", ["", "other-0.1", "é.1"])
async def test_an_empty_or_foreign_last_event_id_starts_from_the_state(node: RunningNode, last_event_id: str) -> None:
    await node.publish(ROOM, 1, key="score")
    async with stream(node, query="after=", last_event_id=last_event_id) as watching:
        joined = await watching.expect(Subscribed)
        assert not joined.recovered
        assert [event.data for event in joined.state] == [1]
        assert watching.last_event_id == str(Cursor(joined.epoch, joined.head, joined.state[0].ts))


async def test_a_cursor_beyond_the_end_of_the_log_starts_over(node: RunningNode) -> None:
    async with stream(node) as watching:
        epoch = (await watching.expect(Subscribed)).epoch
    async with stream(node, last_event_id=str(Cursor(epoch, 1_000))) as watching:
        assert not (await watching.expect(Subscribed)).recovered
        await node.publish(ROOM, 1)
        assert (await watching.expect(Event)).data == 1


async def test_a_cursor_older_than_the_window_is_served_from_the_log() -> None:
    async with running_node(window_bytes_max=1 << 16) as node:
        async with stream(node) as watching:
            joined = await watching.expect(Subscribed)
            offsets = await publish_many(node, 300)
            await watching.events(300)
        room = node.node.core.hub.rooms[ROOM]
        await eventually(lambda: room.contents.floor > joined.head)
        async with stream(node, last_event_id=str(Cursor(joined.epoch, joined.head))) as watching:
            assert (await watching.expect(Subscribed)).recovered
            assert [event.offset for event in await watching.events(300)] == offsets
            assert Cursor.parse(watching.last_event_id)[:2] == (joined.epoch, offsets[-1])


async def test_a_stream_that_cannot_start_reports_an_error_and_ends() -> None:
    log = BreakableLog()
    async with running_node(log, window_bytes_max=1 << 16) as node:
        async with stream(node) as watching:
            joined = await watching.expect(Subscribed)
        await publish_many(node, 300)
        room = node.node.core.hub.room(ROOM)
        assert room is not None
        cursor = str(Cursor(joined.epoch, joined.head))
        with log.reads_failing():
            async with stream(node, last_event_id=cursor) as watching:
                assert (await watching.expect(Error)).code == codes.UNAVAILABLE.code
                assert await watching.rest() == []
                assert watching.parser.comments == [" close 1001 going_away"]
                assert watching.last_event_id == ""
        assert room.members == 0
        async with stream(node, last_event_id=cursor) as watching:
            assert (await watching.expect(Subscribed)).recovered
            await watching.events(300)
    assert node.node.core.connections == 0


async def test_a_recreated_log_starts_the_stream_over_with_a_new_id() -> None:
    log = ScriptedLog(TopicOpened(TOPIC, "e", {0: 0}), CaughtUp(TOPIC))
    async with running_node(log, feeds={"score": {"topic": TOPIC}}) as node, stream(node) as watching:
        first = await watching.expect(Subscribed)
        log.emit_records(0, ScriptedRecord(0, b"1", b"1"))
        await watching.expect(Event)
        log.emit(TopicOpened(TOPIC, "f", {0: 0}))
        log.emit(CaughtUp(TOPIC))
        again = await watching.expect(Subscribed)
        assert again.epoch != first.epoch
        assert watching.last_event_id == str(Cursor(again.epoch, again.head))


async def test_a_slow_reader_becomes_a_cursor_and_still_gets_every_event() -> None:
    async with running_node() as node, stream(node, receive_bytes=RECEIVE_BYTES) as slow:
        await slow.expect(Subscribed)
        offsets = await publish_many(node, 4_000)
        [client], [connection] = node.node.core.clients, node.connections
        assert client.paused_ms is not None
        assert connection.transport.get_write_buffer_size() < 128 * 1024
        assert [event.offset for event in await slow.events(len(offsets))] == offsets
        offsets = await publish_many(node, 1)
        assert (await slow.expect(Event)).offset == offsets[0]


async def test_deliver_latest_brings_a_slow_reader_the_newest_of_each_key() -> None:
    async with running_node() as node, stream(node, query="deliver=latest", receive_bytes=RECEIVE_BYTES) as slow:
        view = RoomView()
        view.take(await slow.expect(Subscribed))
        offsets = await publish_many(node, 4_000, keys=5)
        while not view.events or view.events[-1].offset < offsets[-1]:
            message = await slow.next()
            assert isinstance(message, Event | Skipped)
            view.take(message)
        assert view.skipped > 1_000
        assert view.skipped + len(view.events) == len(offsets)


async def test_a_stream_that_reads_nothing_for_too_long_is_closed_and_can_resume() -> None:
    async with running_node(lag_s_max=LAG_S_MAX) as node:
        async with stream(node, receive_bytes=RECEIVE_BYTES) as slow:
            await slow.expect(Subscribed)
            [client] = node.node.core.clients
            offsets = await publish_many(node, 4_000)
            with node.clocks_ahead(LAG_S_MAX + 1):  # and back: the edge does not cut the connection before it is read
                node.tick()
            assert client.state is ClientState.CLOSED
            received = [message.offset for message in await slow.rest() if isinstance(message, Event)]
            assert received == offsets[: len(received)]
            assert len(received) < len(offsets)
            assert slow.parser.comments[-1] == " close 4000 too_slow"
            cursor = slow.last_event_id
        async with stream(node, last_event_id=cursor) as watching:
            assert (await watching.expect(Subscribed)).recovered
            rest = [event.offset for event in await watching.events(len(offsets) - len(received))]
            assert received + rest == offsets


async def test_an_idle_stream_gets_a_comment_per_heartbeat() -> None:
    async with running_node(heartbeat_s=0.2) as node, stream(node) as watching:
        for _ in range(3):
            assert await watching.comment() == " beat"
        assert not isinstance(await watching.next(), Beat)


async def test_a_stopping_edge_ends_its_streams_one_after_the_other() -> None:
    async with running_node(drain_s=1) as node, contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(stream(node)) for _ in range(4)]
        for watching in streams:
            await watching.expect(Subscribed)
        loop = asyncio.get_running_loop()
        began_s, ends_s = loop.time(), []
        stopping = asyncio.create_task(node.stop_edge())
        for watching in streams:
            while not isinstance(message := await watching.next(), Goaway):
                assert isinstance(message, Event)  # of those that are published below
            assert (message.reconnect_ms, watching.parser.retry_ms) == (0, RETRY_MS[0])
            assert await watching.rest() == []
            assert watching.parser.comments == [" close 1001 going_away"]
            watching.client.sock.close()
            ends_s.append(loop.time() - began_s)
            await node.publish(ROOM, len(ends_s))
            if watching is not streams[-1]:
                await streams[-1].expect(Event)
        assert all(end_s >= 0.25 * number for number, end_s in enumerate(ends_s))
        async with asyncio.timeout(DEADLINE_S):
            await stopping
        assert node.node.core.connections == 0
