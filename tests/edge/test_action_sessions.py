"""Action sessions at the edge: resuming, takeover by a newer connection, leaving, and a stopping edge."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from edge.logs import ACTIONS, BreakableLog
from edge.players import (
    AUTH,
    acks,
    act,
    answer,
    answers,
    greet,
    logged_actions,
    logged_ids,
    loose_limits,
    player,
    refusal,
    token,
)
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.messages import Refresh, Refreshed
from touchline_server.edge import appender as acting


@pytest.fixture
async def node(log: BreakableLog) -> AsyncIterator[RunningNode]:
    async with running_node(log, auth=AUTH, actions=loose_limits()) as running:
        yield running


async def test_a_session_resumes_at_the_same_edge_where_it_stopped(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, welcome):
        await act(client, 1)
        await act(client, 2, room="nowhere")
        await act(client, 3)
        assert sorted(await answers(client, 3)) == [(1, "ack"), (2, "action_bad_room"), (3, "ack")]
        with log.appends_waiting():
            await act(client, 4, 5)
            await client.join("score:1")
            await client.websocket.close()
            await eventually(lambda: node.node.core.connections == 0)
            async with player(node, session=welcome.session) as (again, second):
                assert (second.session, second.last_action) == (welcome.session, 3)
                await act(again, 2, room="nowhere")
                await act(again, 3, 4, 5, 6)
                assert await answers(again, 2) == [(2, "action_bad_room"), (3, "duplicate_id")]
                log.appends_go.set()
                assert await answers(again, 3) == acks([4, 5, 6])
    assert await logged_ids(log) == [1, 3, 4, 5, 6]


async def test_a_newer_connection_takes_over_its_session(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, welcome):
        with log.appends_waiting():
            await act(client, 1)
            await client.join("score:1")
            async with player(node, session=welcome.session) as (newer, _):
                assert await client.closed() == (4504, "session_replaced")
                log.appends_go.set()
                assert await answer(newer) == (1, "ack")
                async with player(node, "bob", session=welcome.session) as (bob, _):
                    await act(bob, 1)
                    assert await answer(bob) == (1, "ack")
                await act(newer, 2)
                assert await answer(newer) == (2, "ack")
    assert await logged_actions(log) == [
        ("ada", welcome.session, 1),
        ("bob", welcome.session, 1),
        ("ada", welcome.session, 2),
    ]


async def test_a_session_can_move_between_edges_and_back() -> None:
    logs = [BreakableLog(), BreakableLog()]
    async with (
        running_node(logs[0], auth=AUTH, edge_name="one") as one,
        running_node(logs[1], auth=AUTH, edge_name="two") as two,
    ):
        next_id = 1
        for edge in (one, two, one, one, two):
            async with player(edge, session="s") as (client, _):
                ids = range(next_id, next_id + 3)
                await act(client, *ids)
                assert await answers(client, 3) == acks(ids)
                next_id += 3
        async with player(one, session="s") as (client, _):
            await act(client, 20, prev=15)  # the ids in between were refused elsewhere
            assert await answer(client) == (20, "ack")
        assert await logged_ids(logs[0]) == [1, 2, 3, 7, 8, 9, 10, 11, 12, 20]
        assert await logged_ids(logs[1]) == [4, 5, 6, 13, 14, 15]


async def test_a_player_can_refresh_its_token_while_actions_are_pending(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, _):
        with log.appends_waiting():
            await act(client, 1)
            await client.send(Refresh(token=token(act=None)))
            await client.expect(Refreshed)
            await act(client, 2)
            assert await answer(client) == (2, "action_forbidden")
        assert await answer(client) == (1, "ack")


async def test_a_stopping_edge_answers_the_actions_it_accepted(log: BreakableLog) -> None:
    async with running_node(log, auth=AUTH, actions=loose_limits()) as node, player(node) as (client, _):
        with log.appends_waiting():
            await act(client, 1, 2)
            await eventually(lambda: log.appends)
            stopping = asyncio.create_task(node.stop_edge())
            await eventually(lambda: node.node.core.access.actions.unavailable)
            await act(client, 3)
            nack = await refusal(client)
            assert (nack.id, nack.code) == (3, "log_unavailable")
        assert await answers(client, 2) == acks([1, 2])
        assert await client.closed() == (codes.GOING_AWAY.code, "going_away")
        await stopping
        assert await logged_ids(log) == [1, 2]


async def test_a_stopping_edge_does_not_wait_for_the_log_forever(
    log: BreakableLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "STOP_S", 0.1)
    async with running_node(log, auth=AUTH) as node, player(node) as (client, _):
        with log.appends_waiting():
            await act(client, 1)
            await eventually(lambda: log.appends)
            await node.stop_edge()
            assert await client.closed() == (codes.GOING_AWAY.code, "going_away")


async def test_an_edge_can_stop_while_the_log_is_unavailable(log: BreakableLog) -> None:
    async with running_node(log, auth=AUTH) as node, player(node) as (client, _):
        with log.appends_failing():
            await act(client, 1)
            assert await answer(client) == (1, "log_unavailable")
            await node.stop_edge()
            assert await client.closed() == (codes.GOING_AWAY.code, "going_away")


async def test_answers_for_clients_that_left_are_dropped(node: RunningNode, log: BreakableLog) -> None:
    with log.appends_waiting():
        async with player(node) as (client, _), player(node, "bob") as (bob, _):
            await act(client, 1)
            await act(bob, 1)
            await bob.join("score:1")
            await client.join("score:1")
        await eventually(lambda: node.node.core.connections == 0)
    await eventually(lambda: node.node.core.access.actions.waiting == 0)
    assert len(await log.records()) == 2


async def test_idle_players_and_sessions_are_forgotten(node: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        async with player(node, f"p{number}") as (client, _):
            await act(client, 1)
            await answer(client)
    access = node.node.core.access
    await eventually(lambda: node.node.core.connections == 0)
    assert len(access.actions._sessions) == 5
    later_ns = (node.edge.driver.now().unix_ms + 301_000) * 1_000_000
    with monkeypatch.context() as patched:
        patched.setattr(node.edge.driver, "wall_ns", lambda: later_ns)
        node.tick()
        assert len(access.actions._sessions) == 5, "a computer's clock that is set is not time that has passed"
    with node.clocks_ahead(301):
        node.tick()
    assert not access.actions._sessions
    assert len(access._players) == len(access._limiter) == 0


async def test_many_concurrent_players_each_get_their_answers_in_order(node: RunningNode, log: BreakableLog) -> None:
    async def play(name: str) -> str:
        async with player(node, name) as (client, welcome):
            for first in range(1, 200, 40):
                await act(client, *range(first, first + 40))
                assert await answers(client, 40) == acks(range(first, first + 40))
            return welcome.session

    names = [f"p{number}" for number in range(5)]
    await asyncio.gather(*map(play, names))
    found = await logged_actions(log)
    for name in names:
        assert [number for who, _, number in found if who == name] == list(range(1, 201))


async def test_a_player_that_never_acts_causes_no_append(node: RunningNode, log: BreakableLog) -> None:
    async with node.client(greeted=False) as client:
        await greet(client)
        await client.join("score:1")
    assert log.appends == 0
    assert (await log.records(ACTIONS)) == []
