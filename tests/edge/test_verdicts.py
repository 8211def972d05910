"""Verdicts at the edge: the effect of each kind, when and for whom it applies, and what is known after a restart."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.logs import VERDICTS, BreakableLog, ScriptedLog, ScriptedRecord
from edge.players import AUTH, act, answer, bearer, greet, logged_ids, player, refusal, token, watcher
from edge.streams import request, response_to, target_of
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_protocol.messages import Hello, Subscribed, Verdict, VerdictKind
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, encode_verdict
from touchline_server.config.tables import VerdictsSettings
from touchline_server.core.clocks import LoopMs, UnixMs
from touchline_server.core.log import CaughtUp, Entry, Log, Records, TopicMissing, TopicOpened
from touchline_server.log.sqlite.log import SqliteLog
from touchline_server.log.sqlite.retention import trim


@pytest.fixture
async def node(log: BreakableLog) -> AsyncIterator[RunningNode]:
    async with running_node(log, auth=AUTH) as running:
        yield running


def now_ms() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)


def entry(player: str, kind: VerdictKind, until: int | None = None, reason: str = "too quick") -> Entry:
    verdict = VerdictRecord(kind=kind, reason=reason, until=until, rule="rate", evidence={"per_second": 41.5})
    return Entry(player.encode(), encode_verdict(verdict), VERDICT_HEADERS)


async def judge(log: Log, player: str, kind: VerdictKind, until: int | None = None) -> None:
    """Append a verdict, as a detector would."""
    await log.append(VERDICTS, [entry(player, kind, until)])


async def test_a_muted_player_gets_the_verdict_and_cannot_act_until_pardoned(
    node: RunningNode, log: BreakableLog
) -> None:
    async with player(node) as (client, _), player(node, "bob") as (bob, _):
        await act(client, 1)
        assert await answer(client) == (1, "ack")
        await judge(log, "ada", "mute")
        assert await client.expect(Verdict) == Verdict(kind="mute", reason="too quick")
        await act(client, 2)
        nack = await refusal(client)
        assert (nack.id, nack.code, nack.retry_ms) == (2, "muted", None)
        assert "too quick" in nack.message
        await act(bob, 1)
        assert await answer(bob) == (1, "ack")
        await client.join("score:1")  # watching is still allowed
        await judge(log, "ada", "pardon")
        assert (await client.expect(Verdict)).kind == "pardon"
        await act(client, 3, prev=1)
        assert await answer(client) == (3, "ack")
    assert await logged_ids(log) == [1, 1, 3]


MUTE_S = 600
"""The length of a mute: longer than any test."""


async def test_a_mute_expires(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, _):
        until = UnixMs(now_ms() + MUTE_S * 1_000)
        await judge(log, "ada", "mute", until)
        assert (await client.expect(Verdict)).until == until
        await act(client, 1)
        assert await answer(client) == (1, "muted")
        with node.clocks_ahead(MUTE_S):
            await act(client, 2)
            assert await answer(client) == (2, "ack")


@pytest.mark.parametrize("kind", ["mute", "ban"])
async def test_an_expired_verdict_has_no_effect(node: RunningNode, log: BreakableLog, kind: VerdictKind) -> None:
    async with player(node) as (client, _):
        await judge(log, "ada", kind, now_ms() - 1)
        await judge(log, "ada", "warn")
        assert (await client.expect(Verdict)).kind == "warn"
        await act(client, 1)
        assert await answer(client) == (1, "ack")


async def test_an_expired_verdict_replaces_the_one_before_it(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, _):
        await judge(log, "ada", "mute")
        await client.expect(Verdict)
        await judge(log, "ada", "mute", now_ms() - 1)
        await judge(log, "bob", "mute")
        await eventually(lambda: node.node.core.access.verdicts.of("bob", node.edge.driver.now().loop_ms))
        await act(client, 1)
        assert await answer(client) == (1, "ack")


async def test_a_warning_restricts_nothing(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, _):
        await judge(log, "ada", "warn")
        assert await client.expect(Verdict) == Verdict(kind="warn", reason="too quick")
        await act(client, 1)
        assert await answer(client) == (1, "ack")
    async with player(node) as (client, _):
        await act(client, 1)
        assert await answer(client) == (1, "ack")


async def test_a_banned_player_gets_the_verdict_is_closed_and_refused_afterwards(
    node: RunningNode, log: BreakableLog
) -> None:
    ban = Verdict(kind="ban", reason="too quick")
    async with player(node) as (client, _), player(node) as (other, _), watcher(node, bearer(token())) as stream:
        await stream.expect(Subscribed)
        await judge(log, "ada", "ban")
        for one in (client, other):
            assert await one.expect(Verdict) == ban
            assert await one.closed() == (4503, "banned")
        assert await stream.rest() == [ban]
        assert stream.parser.comments[-1] == " close 4503 banned"
    async with node.client(greeted=False) as client:
        await client.send(Hello(token=token()))
        assert await client.expect(Verdict) == ban
        assert await client.closed() == (4503, "banned")
    refused = await response_to(node, request(target_of(), bearer(token())))
    assert (refused.status, refused.error["code"]) == (403, "forbidden")
    async with node.client() as nobody, player(node, "bob") as (bob, _):
        await nobody.join("score:1")
        await act(bob, 1)
        assert await answer(bob) == (1, "ack")
    await eventually(lambda: node.node.core.connections == 0)
    assert "ada" not in node.node.core.access._players._clients


@pytest.mark.parametrize("lift", ["pardon", "warn", "null", "tombstone"])
async def test_what_lifts_a_ban(node: RunningNode, log: BreakableLog, lift: VerdictKind) -> None:
    await judge(log, "ada", "ban")
    await eventually(lambda: len(node.node.core.access.verdicts))
    value = {"null": b"null", "tombstone": None}.get(lift, entry("ada", "pardon" if lift != "warn" else "warn").value)
    await log.append(VERDICTS, [Entry(b"ada", value, VERDICT_HEADERS)])
    await eventually(lambda: not len(node.node.core.access.verdicts))
    async with player(node) as (client, _):
        await act(client, 1)
        assert await answer(client) == (1, "ack")


async def test_only_the_newest_verdict_counts_so_a_mute_lifts_a_ban(node: RunningNode, log: BreakableLog) -> None:
    await log.append(VERDICTS, [entry("ada", "ban"), entry("ada", "mute")])
    await eventually(lambda: len(node.node.core.access.verdicts))
    async with node.client(greeted=False) as client:
        await greet(client)
        assert (await client.expect(Verdict)).kind == "mute"
        await act(client, 1)
        assert await answer(client) == (1, "muted")


async def test_a_verdict_reaches_every_connection_of_its_player_and_nobody_else(
    node: RunningNode, log: BreakableLog
) -> None:
    async with player(node) as (one, _), player(node) as (two, _), player(node, "adam") as (other, _):
        await judge(log, "ada", "mute")
        for client in (one, two):
            assert (await client.expect(Verdict)).kind == "mute"
            await act(client, 1)
            assert await answer(client) == (1, "muted")
        await act(other, 1)
        assert await answer(other) == (1, "ack")


async def test_invalid_verdicts_change_nothing_and_are_counted(
    node: RunningNode, log: BreakableLog, caplog: pytest.LogCaptureFixture
) -> None:
    async with player(node) as (client, _):
        await judge(log, "ada", "mute")
        await client.expect(Verdict)
        bad = [
            Entry(b"ada", b"{"),
            Entry(b"ada", b'{"kind":"hang","reason":""}'),
            Entry(b"ada", b'{"kind":"pardon"}'),
            Entry(b"ada", b'{"kind":"pardon","reason":"","until":"soon"}'),
            Entry(b"a da", b'{"kind":"ban","reason":""}'),
            Entry(b"\xff", b'{"kind":"ban","reason":""}'),
            Entry(b"", b'{"kind":"ban","reason":""}'),
            Entry(b"ada", b"\xff"),
            Entry(b"ada", b'{"kind":"pardon","reason":"' + b"x" * 501 + b'"}'),
            Entry(b"ada", b"[" * 100_000),
        ]
        await log.append(VERDICTS, bad)
        await judge(log, "ada", "warn")
        assert (await client.expect(Verdict)).kind == "warn"
        assert node.node.skipped_records == len(bad)
        assert sum("cheat-verdicts" in record.getMessage() for record in caplog.records) == len(bad)


async def test_unknown_fields_of_a_verdict_are_ignored(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, _):
        await log.append(VERDICTS, [Entry(b"ada", b'{"new":[1],"kind":"warn","reason":"","evidence":{"a":[null]}}')])
        assert (await client.expect(Verdict)).kind == "warn"


async def test_verdicts_are_read_before_the_first_client_after_a_restart(tmp_path: Path) -> None:
    file = f"sqlite:///{tmp_path}/log.db"
    async with running_node(url=file, auth=AUTH) as node:
        until = UnixMs(now_ms() + 3_600_000)
        await node.node.log.append(
            VERDICTS, [entry("ada", "ban"), entry("bob", "mute", until), entry("cid", "ban"), entry("dan", "ban", 1)]
        )
        await judge(node.node.log, "cid", "pardon")
    async with running_node(url=file, auth=AUTH) as node:
        verdicts = node.node.core.access.verdicts
        assert len(verdicts) == 2
        async with node.client(greeted=False) as client:
            await client.send(Hello(token=token()))
            assert (await client.expect(Verdict)).kind == "ban"
        async with player(node, "bob") as (bob, _):
            assert await bob.expect(Verdict) == Verdict(kind="mute", reason="too quick", until=until)
        async with player(node, "cid") as (cid, _):
            await act(cid, 1)
            assert await answer(cid) == (1, "ack")


async def test_verdicts_survive_the_removal_of_their_records_by_retention(tmp_path: Path) -> None:
    file = f"sqlite:///{tmp_path}/log.db"
    async with running_node(url=file, auth=AUTH) as node:
        log = node.node.log
        assert isinstance(log, SqliteLog)
        await log.append(VERDICTS, [entry("ada", "ban"), entry("bob", "ban"), entry("bob", "pardon")])
        await log._store.call(lambda store: trim(store, store.topics[VERDICTS].partitions[0], 3))
        await log.append(VERDICTS, [entry("cid", "mute")])
    async with running_node(url=file, auth=AUTH) as node:
        verdicts = node.node.core.access.verdicts
        assert [name for name in ("ada", "bob", "cid") if verdicts.of(name, LoopMs(0))] == ["ada", "cid"]
        async with node.client(greeted=False) as client:
            await client.send(Hello(token=token()))
            assert (await client.expect(Verdict)).kind == "ban"


def scripted(offset: int, player: str, kind: VerdictKind) -> ScriptedRecord:
    verdict = entry(player, kind)
    return ScriptedRecord(offset, verdict.key, verdict.value, verdict.headers)


async def test_a_recreated_verdicts_topic_clears_all_verdicts() -> None:
    log = ScriptedLog(TopicMissing("match-events"), TopicMissing("score-events"))
    log.emit(TopicOpened(VERDICTS, "e1", {0: 0}))
    log.emit(Records(VERDICTS, 0, [scripted(0, "ada", "ban"), scripted(1, "bob", "mute")], 2))
    log.emit(CaughtUp(VERDICTS))
    async with running_node(log, auth=AUTH) as node:
        verdicts = node.node.core.access.verdicts
        assert len(verdicts) == 2
        log.emit(TopicOpened(VERDICTS, "e2", {0: 0}))
        log.emit(Records(VERDICTS, 0, [scripted(0, "cid", "mute")], 1))
        log.emit(CaughtUp(VERDICTS))
        await eventually(lambda: verdicts.of("cid", LoopMs(0)))
        assert len(verdicts) == 1
        log.emit(TopicMissing(VERDICTS))
        await eventually(lambda: not len(verdicts))


async def test_no_client_is_accepted_before_the_verdicts_are_read() -> None:
    log = ScriptedLog(TopicMissing("match-events"), TopicMissing("score-events"), TopicOpened(VERDICTS, "e1", {0: 0}))
    log.emit(Records(VERDICTS, 0, [scripted(0, "ada", "ban")], 1))
    starting = running_node(log, auth=AUTH)
    task = asyncio.ensure_future(starting.__aenter__())
    await eventually(log._queue.empty)
    assert not task.done()
    log.emit(CaughtUp(VERDICTS))
    node = await task
    try:
        async with node.client(greeted=False) as client:
            await client.send(Hello(token=token()))
            assert (await client.expect(Verdict)).kind == "ban"
    finally:
        await starting.__aexit__(None, None, None)


async def test_a_server_runs_without_a_verdicts_topic() -> None:
    log = ScriptedLog(TopicMissing("match-events"), TopicMissing("score-events"), TopicMissing(VERDICTS))
    async with running_node(log, auth=AUTH) as node, player(node) as (_, welcome):
        assert welcome.player == "ada"


async def test_the_oldest_verdict_is_forgotten_if_there_are_too_many(log: BreakableLog) -> None:
    async with running_node(log, auth=AUTH, verdicts=VerdictsSettings(players_max=2)) as node:
        for name in ("ada", "bob", "ada", "cid"):
            await judge(log, name, "mute")
        verdicts = node.node.core.access.verdicts
        await eventually(lambda: verdicts.of("cid", LoopMs(0)))
        assert [name for name in ("ada", "bob", "cid") if verdicts.of(name, LoopMs(0))] == ["ada", "cid"]
        assert "verdicts.players_max" in node.node.problems()
