"""A player at two edges that know nothing of each other: what each of them promises all the same."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from edge.players import AUTH, acks, act, answer, answers, player
from support.kafka_broker import KafkaBroker
from support.node_fixture import RunningNode, running_node
from touchline_loadtest.checks.actions import Acted, ActionEntry, LoggedAction
from touchline_loadtest.checks.comparison.action_check import check_actions
from touchline_loadtest.measure.actions.reader import read_actions
from touchline_server.config.tables import ActionsSettings, FeedSettings, VerdictsSettings


class Edges:
    """Edges over topics of the test's own names."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.broker = broker
        name = uuid.uuid4().hex[:12]
        self.events, self.actions, self.verdicts = f"events-{name}", f"actions-{name}", f"verdicts-{name}"

    async def create_topics(self) -> None:
        for topic in (self.events, self.actions, self.verdicts):
            await self.broker.create(topic)

    @contextlib.asynccontextmanager
    async def edge(self, name: str, **actions: Any) -> AsyncIterator[RunningNode]:
        async with running_node(
            url=f"kafka://{self.broker.address}",
            edge_name=name,
            auth=AUTH,
            feeds={"score": FeedSettings(topic=self.events)},
            actions=ActionsSettings(topic=self.actions, **actions),
            verdicts=VerdictsSettings(topic=self.verdicts),
        ) as node:
            yield node

    async def logged(self) -> list[LoggedAction]:
        """The log. An action is known by its id."""
        return [
            LoggedAction(ActionEntry(each.player, each.session, each.id, each.kind, each.id, each.room))
            for each in await read_actions(self.broker.address, self.actions)
        ]


@pytest.fixture
async def edges(kafka: KafkaBroker) -> Edges:
    edges = Edges(kafka)
    await edges.create_topics()
    return edges


async def test_a_session_that_moves_with_unanswered_actions_loses_none_and_keeps_their_order(edges: Edges) -> None:
    async with edges.edge("one") as one, edges.edge("two") as two, player(one, session="s") as (old, _):
        await act(old, *range(1, 11))
        assert await answers(old, 10) == acks(range(1, 11))
        await act(old, *range(11, 16))  # their answers are not received, as over a connection that is half open
        async with player(two, session="s") as (new, welcome):
            assert welcome.last_action == 0  # this edge has never heard of the session
            await act(new, *range(11, 21))
            assert await answers(new, 10) == acks(range(11, 21))
        assert await answers(old, 5) == acks(range(11, 16))
    logged = await edges.logged()
    acted = [Acted("ada", number, "", 0.0, "s", number, "score:1", "tap") for number in range(1, 21)]
    assert check_actions(acted, logged) == []
    assert len(logged) == 25, "five are in the log twice"


async def test_each_edge_limits_a_player_on_all_its_connections_together(edges: Edges) -> None:
    limit = {"per_second_max": 0.001, "burst": 2}
    async with edges.edge("one", **limit) as one, edges.edge("two", **limit) as two:
        for node in (one, two):
            async with player(node) as (first, _), player(node) as (second, _):
                for client, outcome in ((first, "ack"), (second, "ack"), (first, "rate_limited")):
                    number = 2 if outcome == "rate_limited" else 1
                    await act(client, number)
                    assert await answer(client) == (number, outcome)
