"""Players with a real Kafka: outages, a session that moves between edges, and verdicts in a compacted topic."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import pytest

from edge.players import AUTH, RETRY_MS, acks, act, answers, loose_limits, player, token
from support.kafka_broker import KafkaBroker
from support.log_lines import log_lines
from support.node_fixture import Client, RunningNode, running_node
from support.record_batches import RawRecord, append_batch, append_nonsense, batch
from support.waiting import eventually
from touchline_loadtest.checks.actions import Acted, ActionEntry, LoggedAction
from touchline_loadtest.checks.comparison.action_check import check_actions
from touchline_protocol import codes
from touchline_protocol.messages import Ack, Hello, Nack, Verdict, VerdictKind
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, encode_verdict
from touchline_server.config.tables import AuthSettings, FeedSettings, KafkaSettings, VerdictsSettings
from touchline_server.core.log import CaughtUp, Entry, Records
from touchline_server.log.kafka.log import KafkaLog

OUTAGE_DEADLINE_S = 60.0
"""How long a broker may take to start on a busy machine."""
WINDOW = 16


class Topics:
    """Topics for one test, with names of their own, in a broker that other tests use too."""

    def __init__(self, broker: KafkaBroker, name: str) -> None:
        self.broker = broker
        self.score, self.actions, self.verdicts = f"score-{name}", f"actions-{name}", f"verdicts-{name}"

    async def create(self) -> None:
        await self.broker.create(self.score)
        await self.broker.create(self.actions, 2)
        await self.broker.create(self.verdicts, 2, {"cleanup.policy": "compact"})

    @contextlib.asynccontextmanager
    async def node(self, **settings: Any) -> AsyncIterator[RunningNode]:
        defaults: dict[str, Any] = {
            "auth": AUTH,
            "feeds": {"score": FeedSettings(topic=self.score)},
            "actions": loose_limits(topic=self.actions),
            "verdicts": VerdictsSettings(topic=self.verdicts),
            "kafka": KafkaSettings(epoch_check_s=0.1),
        }
        async with running_node(url=f"kafka://{self.broker.address}", **(defaults | settings)) as node:
            yield node

    async def judge(self, node: RunningNode, name: str, kind: VerdictKind) -> None:
        verdict = encode_verdict(VerdictRecord(kind=kind, reason="too quick"))
        await node.node.log.append(self.verdicts, [Entry(name.encode(), verdict, VERDICT_HEADERS)])

    async def acted(self) -> list[tuple[str, str, int]]:
        """The player, session and id of every action in the log, in the order of each partition."""
        log = KafkaLog([self.broker.address], KafkaSettings())
        await log.open([self.actions], since_ms=0, from_start=[self.actions])
        found: list[tuple[str, str, int]] = []
        try:
            async with asyncio.timeout(OUTAGE_DEADLINE_S):
                while True:
                    for event in await log.poll():
                        if isinstance(event, Records):
                            values = [json.loads(record.value or b"") for record in event.records]
                            found += [(value["player"], value["session"], value["id"]) for value in values]
                        if isinstance(event, CaughtUp):
                            return found
        finally:
            await log.close()


class Tapper:
    """A client that follows the protocol: after a nack it waits, then sends all unanswered actions again."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.acked: list[int] = []
        self.nacked: set[str] = set()
        self._unanswered: dict[int, None] = {}
        self._next = 1
        self._again_at: float | None = None

    async def tap(self, until: Callable[[], bool]) -> None:
        """Act until the condition holds and everything is answered."""
        async with asyncio.timeout(OUTAGE_DEADLINE_S):
            while self._unanswered or not until():
                while len(self._unanswered) < WINDOW and not until() and self._again_at is None:
                    self._unanswered[self._next] = None
                    await act(self.client, self._next)
                    self._next += 1
                with contextlib.suppress(TimeoutError):
                    self._hear(await self.client.next(0.05))
                if self._again_at is not None and time.monotonic() > self._again_at:
                    self._again_at = None
                    await act(self.client, *self._unanswered)

    def _hear(self, message: object) -> None:
        assert isinstance(message, Ack | Nack), message
        if isinstance(message, Ack) or message.code == codes.DUPLICATE_ID.code:
            if message.id in self._unanswered:
                del self._unanswered[message.id]
                self.acked.append(message.id)
            return
        assert message.retry_ms == RETRY_MS, message
        self.nacked.add(message.code)
        self._again_at = self._again_at or time.monotonic() + message.retry_ms / 1000


@pytest.fixture
async def topics(kafka: KafkaBroker, request: pytest.FixtureRequest) -> Topics:
    topics = Topics(kafka, f"{request.node.name[-60:]}-{time.time_ns()}")
    await topics.create()
    return topics


async def test_an_outage_loses_no_acknowledged_action_and_every_action_is_answered(
    kafka_to_restart: KafkaBroker,
) -> None:
    topics = Topics(kafka_to_restart, "outage")
    await topics.create()
    async with topics.node() as node, player(node) as (client, welcome), player(node, "bob") as (bob, second):
        tappers = [Tapper(client), Tapper(bob)]
        over = False
        tapping = [asyncio.create_task(tapper.tap(lambda: over)) for tapper in tappers]

        async def until(condition: Callable[[Tapper], bool]) -> None:
            await eventually(lambda: all(map(condition, tappers)) or any(task.done() for task in tapping), 60)

        await until(lambda tapper: len(tapper.acked) > 100)
        await asyncio.to_thread(topics.broker.stop, kill=True)
        await until(lambda tapper: codes.LOG_UNAVAILABLE.code in tapper.nacked)
        topics.broker.launch()
        await asyncio.to_thread(topics.broker.wait_started)
        seen = [len(tapper.acked) for tapper in tappers]
        await until(lambda tapper: len(tapper.acked) > max(seen) + 100)
        over = True
        await asyncio.gather(*tapping)
        await eventually(lambda: not node.node.problems(), 20)
        found = await topics.acted()
    acted = [
        Acted(name, number, "", 0.0, session, number)
        for name, session, tapper in (("ada", welcome.session, tappers[0]), ("bob", second.session, tappers[1]))
        for number in tapper.acked
    ]
    logged = [LoggedAction(ActionEntry(who, session, number, "tap", number)) for who, session, number in found]
    assert check_actions(acted, logged) == []
    for tapper in tappers:
        assert tapper.acked == list(range(1, len(tapper.acked) + 1)), "an action was not answered"


async def test_actions_are_refused_at_once_while_the_broker_is_down(kafka_to_restart: KafkaBroker) -> None:
    topics = Topics(kafka_to_restart, "refused")
    await topics.create()
    async with topics.node() as node, player(node) as (client, _):
        await act(client, 1)
        assert await answers(client, 1) == acks([1])
        await asyncio.to_thread(topics.broker.stop)
        await eventually(lambda: node.node.core.access.actions.unavailable, OUTAGE_DEADLINE_S)
        began = time.monotonic()
        await act(client, 2, 3)
        assert await answers(client, 2) == [(2, "log_unavailable"), (3, "id_gap")]
        assert time.monotonic() - began < 3  # an append would wait for 5 s
        await client.join("score:1")  # rooms in memory are still served
        topics.broker.launch()
        await asyncio.to_thread(topics.broker.wait_started)
        await eventually(lambda: node.node.core.access.actions.unavailable is None, OUTAGE_DEADLINE_S)
        await act(client, 2, 3)
        assert await answers(client, 2) == acks([2, 3])


async def test_a_session_moves_to_another_edge_and_back(topics: Topics) -> None:
    async with topics.node(edge_name="one") as one, topics.node(edge_name="two") as two:
        next_id = 1
        for node in (one, two, one):
            async with player(node, session="s") as (client, _):
                ids = range(next_id, next_id + 20)
                await act(client, *ids)
                assert await answers(client, 20) == acks(ids)
                next_id += 20
        async with player(two, session="s") as (client, welcome):
            assert welcome.last_action == 40
            await act(client, 60)  # as if its answer had been lost the first time
            await act(client, 61)
            assert await answers(client, 2) == acks([60, 61])
    assert await topics.acted() == [("ada", "s", number) for number in [*range(1, 61), 60, 61]]


async def test_actions_are_refused_until_their_topic_is_created(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    topics = Topics(kafka, f"late-{time.time_ns()}")
    await kafka.create(topics.score)
    async with topics.node() as node:
        problem = node.node.problems()[topics.actions]
        assert topics.actions in problem
        assert "touchline topics --create" in problem
        assert problem in [line["why"] for line in log_lines(caplog, "actions_paused")]
        async with player(node) as (client, _):
            await act(client, 1)
            nack = await client.expect(Nack)
            assert (nack.code, nack.retry_ms, nack.message) == ("log_unavailable", RETRY_MS, problem)
            assert topics.actions not in await kafka.topics()
            await kafka.create(topics.actions)
            await eventually(lambda: topics.actions not in node.node.problems())
            await act(client, 1)
            assert await answers(client, 1) == acks([1])


async def test_a_missing_actions_topic_is_not_reported_if_nobody_can_act(
    kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    topics = Topics(kafka, f"none-{time.time_ns()}")
    await kafka.create(topics.score)
    async with topics.node(auth=AuthSettings()) as node:
        assert not node.node.problems()
    assert not caplog.records


async def test_verdicts_in_a_compacted_topic_are_read_before_the_first_client_connects(topics: Topics) -> None:
    async with topics.node() as node:
        await topics.judge(node, "ada", "ban")
        for kind in ("ban", "mute", "pardon"):
            await topics.judge(node, "bob", kind)
        await topics.judge(node, "cid", "mute")
    async with topics.node(window_s=0.001) as node:
        assert standing(node, ("ada", "bob", "cid")) == ["ban", None, "mute"]
        async with node.client(greeted=False) as client:
            await client.send(Hello(token=token()))
            assert await client.expect(Verdict) == Verdict(kind="ban", reason="too quick")
            assert await client.closed() == (4503, "banned")


async def test_records_that_nobody_can_decode_stop_neither_rooms_nor_verdicts(
    topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    ban = encode_verdict(VerdictRecord(kind="ban", reason="too quick"))
    odd = [(b"\xe9", b"from C")]
    address = topics.broker.address
    for partition in range(2):
        await append_nonsense(topics.broker, topics.verdicts, partition)
    await append_batch(address, topics.verdicts, batch([RawRecord(b"ada", ban, odd)]))
    goals = RawRecord(b"1", b"7", [*odd, (b"key", b"goals")])
    await append_batch(address, topics.score, batch([goals]))
    async with topics.node() as node:
        assert standing(node, ["ada"]) == ["ban"]
        assert node.node.skipped_records == 2
        assert f"{topics.verdicts}[0]@0" in caplog.text
        async with player(node, "bob") as (client, _):
            joined = await client.join("score:1")
            assert [(event.key, event.offset) for event in joined.state] == [("goals", 0)]
            await append_batch(address, topics.verdicts, batch([RawRecord(b"bob", ban, odd)]), 1)
            assert (await client.expect(Verdict)).kind == "ban"


async def test_deleting_the_verdicts_topic_clears_all_verdicts_and_a_new_one_is_read(topics: Topics) -> None:
    async with topics.node() as node:
        await topics.judge(node, "ada", "ban")
        await eventually(lambda: standing(node, ["ada"]) == ["ban"])
        await topics.broker.delete(topics.verdicts)
        await eventually(lambda: standing(node, ["ada"]) == [None])
        assert topics.verdicts in node.node.problems()
        async with player(node) as (client, _):
            await topics.broker.create(topics.verdicts, 2, {"cleanup.policy": "compact"})
            await topics.judge(node, "ada", "mute")
            assert (await client.expect(Verdict)).kind == "mute"
        await eventually(lambda: not node.node.problems())


async def test_a_verdict_reaches_the_player_at_every_edge(topics: Topics) -> None:
    async with topics.node() as one, topics.node() as two, player(one) as (first, _), player(two) as (second, _):
        await topics.judge(one, "ada", "ban")
        for client in (first, second):
            assert (await client.expect(Verdict)).kind == "ban"
            assert await client.closed() == (4503, "banned")


def standing(node: RunningNode, names: Collection[str]) -> list[str | None]:
    """The kind of verdict against each player at an edge, or None."""
    found = [node.node.core.access.verdicts.of(name, node.edge.driver.now().loop_ms) for name in names]
    return [None if verdict is None else verdict.kind for verdict in found]
