"""Joining a room: from its state, from a cursor in the window or only in the log, and from invalid cursors."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from edge.logs import TOPIC, BreakableLog, ScriptedLog, ScriptedRecord
from support.node_fixture import Client, RunningNode, running_node
from support.waiting import DEADLINE_S, eventually
from touchline_protocol import codes
from touchline_protocol.codecs import CODECS, MSGPACK
from touchline_protocol.messages import Error, RoomRequest, Subscribe, Subscribed
from touchline_server.config.tables import FeedSettings, SqliteSettings
from touchline_server.core.log import NO_TERM, CaughtUp, TopicOpened

PADDING = "x" * 1_000


async def publish_many(node: RunningNode, count: int, room: str = "score:1") -> list[int]:
    return [position.offset for position in await node.publish(room, *[[n, PADDING] for n in range(count)])]


async def epoch_of(node: RunningNode) -> str:
    async with node.client() as client:
        return (await client.join("score:1")).epoch


@contextlib.asynccontextmanager
async def small_window(log: BreakableLog | None = None, **settings: Any) -> AsyncIterator[RunningNode]:
    """A node whose windows hold about 40 events of 1 KB."""
    async with running_node(log, window_bytes_max=1 << 17, **settings) as node:
        yield node


async def test_a_fresh_join_gets_the_state_and_the_newest_events(node: RunningNode) -> None:
    await node.publish("score:1", {"home": 0}, {"home": 1}, key="score")
    await node.publish("score:1", "kick-off", "corner", "goal")
    await node.publish("score:1", 1, None, key="removed")
    await node.publish("score:2", "elsewhere", key="score")
    async with node.client() as plain, node.client(MSGPACK) as other:
        for client in (plain, other):
            joined = await client.join("score:1", last=4)
            assert not joined.recovered
            assert [(event.key, event.data) for event in joined.state] == [("score", {"home": 1})]
            assert [event.data for event in joined.recent] == ["corner", "goal", 1, None]
            await client.leave("score:1")
            assert (await client.join("score:1")).recent == []


async def test_a_room_that_nobody_published_to_can_be_joined_and_resumed(node: RunningNode) -> None:
    async with node.client() as client:
        joined = await client.join("score:new")
        await client.leave("score:new")
        await node.publish("score:new", 1)
        again = await client.join("score:new", epoch=joined.epoch, after=joined.head)
        assert again.recovered
        assert [event.data for event in await client.events(1)] == [1]


async def test_a_cursor_inside_the_window_gets_the_events_after_it(node: RunningNode) -> None:
    offsets = await publish_many(node, 300)
    async with node.client() as client:
        epoch = await epoch_of(node)
        joined = await client.join("score:1", epoch=epoch, after=offsets[99])
        assert joined.recovered
        assert not joined.state
        assert [event.offset for event in await client.events(200)] == offsets[100:]
        live = await publish_many(node, 1)
        assert [event.offset for event in await client.events(1)] == live


@pytest.mark.parametrize("codec_index", [0, 1])
async def test_a_cursor_older_than_the_window_gets_events_from_the_log(codec_index: int) -> None:
    log = BreakableLog()
    async with small_window(log) as node:
        offsets: list[int] = []
        for _ in range(12):
            offsets += await publish_many(node, 100)
            await publish_many(node, 10, "score:other")
        epoch = await epoch_of(node)
        async with node.client(*[MSGPACK] * codec_index) as client:
            assert (await client.join("score:1", epoch=epoch, after=offsets[0])).recovered
            events = await client.events(len(offsets) - 1)
            assert [event.offset for event in events] == offsets[1:]
            known = {offset: before for before, offset in pairwise(offsets)}
            assert all(event.prev in (None, known[event.offset]) for event in events)
        assert log.reads


async def test_a_catch_up_from_the_log_during_live_events_misses_none() -> None:
    async with small_window() as node:
        offsets = await publish_many(node, 500)
        epoch = await epoch_of(node)
        async with node.client() as client:
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1", epoch=epoch, after=offsets[0])]))
            for _ in range(50):
                offsets += await publish_many(node, 10)
            assert (await client.expect(Subscribed)).recovered
            assert [event.offset for event in await client.events(999)] == offsets[1:]


async def starts_over(client: Client, epoch: str, after: int) -> Subscribed:
    joined = await client.join("score:1", epoch=epoch, after=after, last=1)
    assert not joined.recovered
    assert [event.key for event in joined.state] == ["k"]
    assert len(joined.recent) == 1
    return joined


async def test_a_cursor_beyond_the_replay_limit_starts_over() -> None:
    async with small_window(replay_records_max=100) as node, node.client() as client:
        first = await publish_many(node, 300)
        await node.publish("score:1", 1, key="k")
        await starts_over(client, await epoch_of(node), first[0])


async def test_a_cursor_older_than_the_retention_starts_over() -> None:
    log = BreakableLog(SqliteSettings(retention_bytes_max=1 << 16))
    async with small_window(log) as node, node.client() as client:
        first = await publish_many(node, 300)
        await node.publish("score:1", 1, key="k")
        epoch = await epoch_of(node)
        await starts_over(client, epoch, first[0])


async def test_a_cursor_of_another_epoch_starts_over_and_the_new_cursor_is_valid(node: RunningNode) -> None:
    await publish_many(node, 5)
    await node.publish("score:1", 1, key="k")
    async with node.client() as client:
        joined = await starts_over(client, "another-0-0", 2)
        await client.leave("score:1")
        assert (await client.join("score:1", epoch=joined.epoch, after=joined.head)).recovered


@pytest.mark.parametrize("ahead", [1, 1_000, 2**62])
async def test_a_cursor_ahead_of_the_log_starts_over(node: RunningNode, ahead: int) -> None:
    await node.publish("score:1", 1, key="k")
    async with node.client() as client:
        joined = await client.join("score:1")
        await client.leave("score:1")
        await starts_over(client, joined.epoch, joined.head + ahead)


def records(*offsets: int) -> list[ScriptedRecord]:
    return [ScriptedRecord(offset, b"1", str(offset).encode()) for offset in offsets]


@contextlib.asynccontextmanager
async def one_event(end: int) -> AsyncIterator[tuple[ScriptedLog, RunningNode]]:
    """An edge that has read offset 0 of a log that ends at ``end``."""
    log = ScriptedLog(TopicOpened(TOPIC, "e", {0: 0}))
    log.ends[0] = end
    log.emit_records(0, *records(0))
    log.emit(CaughtUp(TOPIC))
    async with running_node(log, feeds={"score": FeedSettings(topic=TOPIC)}) as node:
        yield log, node


async def test_a_cursor_ahead_of_this_edge_waits_and_gets_only_later_events() -> None:
    async with one_event(end=5) as (log, node), node.client() as client:
        joined = await client.join("score:1", epoch="e-0-0", after=3)
        assert (joined.recovered, joined.head) == (True, 0)
        log.emit_records(0, *records(1, 2))
        log.emit_records(0, *records(3, 4))
        log.emit_records(0, *records(5))
        assert [event.offset for event in await client.events(2)] == [4, 5]


async def test_events_read_during_the_query_for_the_end_are_not_withheld() -> None:
    class SlowEnd(ScriptedLog):
        async def end(self, topic: str, epoch: str, partition: int, *, term: int = NO_TERM) -> int:
            self.emit_records(0, *records(1, 2, 3))
            await eventually(lambda: node.node.core.hub.rooms["score:1"].contents.position == 3)
            return 4

    log = SlowEnd(TopicOpened(TOPIC, "e", {0: 0}), CaughtUp(TOPIC))
    log.emit_records(0, *records(0))
    async with running_node(log, feeds={"score": FeedSettings(topic=TOPIC)}) as node, node.client() as client:
        await eventually(lambda: "score:1" in node.node.core.hub.rooms)
        assert (await client.join("score:1", epoch="e-0-0", after=1)).recovered
        assert [event.offset for event in await client.events(2)] == [2, 3]


async def test_joining_fails_while_the_log_is_unavailable_and_works_later() -> None:
    log = BreakableLog()
    async with small_window(log) as node, node.client() as client:
        offsets = await publish_many(node, 200)
        epoch = await epoch_of(node)
        with log.reads_failing():
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1", epoch=epoch, after=offsets[0])], id=3))
            error = await client.expect(Error)
            assert (error.code, error.room, error.id) == (codes.UNAVAILABLE.code, "score:1", 3)
            await client.join("score:2")  # this join does not need the log
        assert (await client.join("score:1", epoch=epoch, after=offsets[0])).recovered
        assert [event.offset for event in await client.events(199)] == offsets[1:]


async def test_a_log_outage_during_a_catch_up_only_delays_it() -> None:
    class BreaksOnce(BreakableLog):
        async def _answers(self) -> None:
            if self.reads == 2:
                with self.reads_failing():
                    await super()._answers()
            await super()._answers()

    log = BreaksOnce()
    async with small_window(log) as node, node.client() as client:
        offsets = await publish_many(node, 1_200)
        epoch = await epoch_of(node)
        assert (await client.join("score:1", epoch=epoch, after=offsets[0])).recovered
        assert [event.offset for event in await client.events(1_199)] == offsets[1:]
        assert log.reads >= 3


async def test_more_catch_ups_than_the_concurrency_limit_are_all_served() -> None:
    log = BreakableLog()
    async with small_window(log, replay_concurrency=2) as node, contextlib.AsyncExitStack() as stack:
        offsets = await publish_many(node, 200)
        epoch = await epoch_of(node)
        clients = [await stack.enter_async_context(node.client()) for _ in range(12)]
        with log.reads_waiting():
            for number, client in enumerate(clients):
                after = offsets[number]
                await client.send(Subscribe(rooms=[RoomRequest(room="score:1", epoch=epoch, after=after)]))
            await eventually(lambda: log.reads > 0)
            await clients[3].websocket.close()
        for number, client in enumerate(clients):
            if number != 3:
                assert (await client.expect(Subscribed)).recovered
                assert [event.offset for event in await client.events(199 - number)] == offsets[number + 1 :]


async def test_clients_that_resume_together_from_one_cursor_share_their_reads() -> None:
    log = BreakableLog()
    async with small_window(log, replay_concurrency=2) as node, contextlib.AsyncExitStack() as stack:
        offsets = await publish_many(node, 700)
        epoch = await epoch_of(node)
        async with node.client() as alone:
            await alone.join("score:1", epoch=epoch, after=offsets[0])
            await alone.events(699)
        reads_of_one, log.reads = log.reads, 0
        clients = [await stack.enter_async_context(node.client(CODECS[n % 2])) for n in range(12)]
        with log.reads_waiting():
            for client in clients:
                await client.send(Subscribe(rooms=[RoomRequest(room="score:1", epoch=epoch, after=offsets[0])]))
                await (await client.websocket.ping())  # so that all of them are waiting for the log
        assert all(
            joined.recovered for joined in await asyncio.gather(*(client.expect(Subscribed) for client in clients))
        )
        for events in await asyncio.gather(*(client.events(699) for client in clients)):
            assert [event.offset for event in events] == offsets[1:]
            assert [event.prev for event in events[1:]] == offsets[1:-1]
        assert log.reads <= reads_of_one


async def test_a_client_that_keeps_joining_and_leaving_does_not_keep_the_log_busy() -> None:
    log = BreakableLog()
    async with running_node(log, replay_concurrency=1) as node, node.client() as client, node.client() as other:
        epoch = await epoch_of(node)
        with log.reads_waiting():
            for _ in range(20):
                await client.send(Subscribe(rooms=[RoomRequest(room="score:1", epoch=epoch, after=10**6)]))
                await (await client.websocket.ping())  # so that the read of the log starts before the room is left
                await client.leave("score:1")
        assert not (await other.join("score:1", epoch=epoch, after=10**6)).recovered
        assert log.ends <= 2


async def test_leaving_a_room_abandons_its_catch_up() -> None:
    log = BreakableLog()
    async with small_window(log) as node, node.client() as client:
        offsets = await publish_many(node, 200)
        epoch = await epoch_of(node)
        with log.reads_waiting():
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1", epoch=epoch, after=offsets[0])]))
            await eventually(lambda: log.reads > 0)
            await client.leave("score:1")
        joined = await client.join("score:1", epoch=epoch, after=offsets[150])
        assert joined.recovered
        assert [event.offset for event in await client.events(49)] == offsets[151:]


async def test_a_bug_in_a_catch_up_fails_the_node() -> None:
    log = BreakableLog()
    async with small_window(log) as node, node.client() as client:
        offsets = await publish_many(node, 200)
        epoch = await epoch_of(node)
        with log.reads_failing(ZeroDivisionError("a mistake")):
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1", epoch=epoch, after=offsets[0])]))
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(node.node.failed(), DEADLINE_S)


async def test_a_bug_in_a_turn_fails_the_node(node: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(now_ms: int) -> None:
        raise ZeroDivisionError("a mistake")

    async with node.client() as client:
        await client.join("score:1")
        room = node.node.core.hub.rooms["score:1"]
        await eventually(lambda: room.has_live)
        monkeypatch.setattr(node.node.core.hub, "next_flush", mistake)
        await node.publish("score:1", 1)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(node.node.failed(), DEADLINE_S)
