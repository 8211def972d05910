"""The generator of actions notices what a server does wrong with them, and what a log lacks."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from touchline_loadtest.checks.action_session import ActionSession
from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.clients.players import Players
from touchline_loadtest.measure.actions.findings import LogFindings, compare_log
from touchline_protocol.actions import ActionRecord
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Ack, Action, Beat, Hello, Limits, Message, Nack, Verdict, Welcome

ROOM = "match:1"
SECRET = "a secret of at least thirty-two bytes"
WELCOME = Welcome(session="s", edge="e", heartbeat_ms=1000, limits=Limits(1024, 1), time=0)

Answer = Callable[[ServerConnection, Action], Awaitable[None]]


def action_session() -> ActionSession:
    session = ActionSession("player", ROOM, 100)
    session.receive(JSON.encode(WELCOME), 0)
    return session


def action_in(framed: bytes) -> Action:
    """The action in a client's frame of 126 bytes or more of payload, masked with zeros."""
    message = JSON.decode_client(framed[8:])
    assert isinstance(message, Action)
    return message


def test_actions_are_numbered_and_have_their_size() -> None:
    session = action_session()
    first, second = action_in(session.next_action(1)), action_in(session.next_action(2))
    assert (first.id, second.id, first.room) == (1, 2, ROOM)
    assert len(bytes(first.data)) == 100
    assert json.loads(bytes(second.data))["due"] == 2


def test_the_latency_of_an_ack_is_the_age_of_its_action() -> None:
    session = action_session()
    session.next_action(100)
    session.next_action(200)
    session.receive(JSON.encode(Ack(id=2)), 250)
    assert (session.unacked, session.acked, session.latencies_ns) == (1, 1, [50])
    session.receive(JSON.encode(Ack(id=1)), 300)
    assert (session.unacked, session.acked, session.latencies_ns) == (0, 2, [50, 200])


@pytest.mark.parametrize("wrong", [Ack(id=2), Nack(id=1, code="rate_limited", message="no"), WELCOME])
def test_an_unexpected_answer_is_kept(wrong: Message) -> None:
    session = action_session()
    session.next_action(0)
    session.receive(JSON.encode(wrong), 0)
    assert len(session.unexpected) == 1
    assert session.acked == 0


def test_a_second_ack_is_unexpected() -> None:
    session = action_session()
    session.next_action(0)
    for _ in range(2):
        session.receive(JSON.encode(Ack(id=1)), 0)
    assert (session.acked, len(session.unexpected)) == (1, 1)


def test_messages_that_answer_no_action_are_ignored() -> None:
    session = action_session()
    for message in (Beat(), Verdict(kind="warn", reason="slow down")):
        session.receive(JSON.encode(message), 0)
    assert session.unexpected == []


def record(player: str, number: int, session: str = "s") -> ActionRecord:
    return ActionRecord(player, ROOM, "tap", msgspec.Raw(b"0"), session, number, 0, "edge")


def acknowledged(player: str, count: int) -> ActionSession:
    """A session with this many actions, all of which were acknowledged."""
    session = ActionSession(player, ROOM, 100)
    session.session = "s"
    for number in range(1, count + 1):
        session.next_action(0)
        session.receive(JSON.encode(Ack(id=number)), 0)
    return session


def test_a_log_with_all_acknowledged_actions_has_no_findings() -> None:
    records = [record("a", 1), record("b", 1), record("a", 2)]
    assert compare_log(records, [acknowledged("a", 2), acknowledged("b", 1)]) == LogFindings(3, 0, 0)


@given(st.integers(1, 20), st.data())
def test_a_lost_action_is_missing_and_a_moved_or_duplicate_one_is_wrong(count: int, data: st.DataObject) -> None:
    records = [record("a", number) for number in range(1, count + 1)]
    place = data.draw(st.integers(0, count - 1))
    sessions = [acknowledged("a", count)]
    assert compare_log(records[:place] + records[place + 1 :], sessions) == LogFindings(count - 1, 1, 0)
    assert compare_log([*records, records[place]], sessions) == LogFindings(count + 1, 0, 1)
    if place:
        moved = records[:]
        moved[place - 1], moved[place] = moved[place], moved[place - 1]
        assert compare_log(moved, sessions).wrong > 0


def test_a_session_that_is_absent_from_the_log_is_missing_and_an_unknown_action_is_wrong() -> None:
    assert compare_log([record("a", 1)], [acknowledged("b", 3)]) == LogFindings(1, 3, 1)
    assert compare_log([record("a", 1, "other")], [acknowledged("a", 1)]).wrong > 0


@contextlib.asynccontextmanager
async def players_of(answer: Answer) -> AsyncIterator[Players]:
    """Players of a server that welcomes those with a token, and answers their actions with ``answer``."""

    async def handler(connection: ServerConnection) -> None:
        hello = JSON.decode_client(await connection.recv(decode=False))
        assert isinstance(hello, Hello)
        player = jwt.decode(hello.token or "", SECRET, algorithms=["HS256"])["sub"]
        await connection.send(JSON.encode(msgspec.structs.replace(WELCOME, player=player)).decode())
        async for payload in connection:
            action = JSON.decode_client(payload.encode() if isinstance(payload, str) else payload)
            assert isinstance(action, Action)
            await answer(connection, action)

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        players = Players(next(iter(server.sockets)).getsockname()[1], SECRET, ROOM, 100)
        yield players
        await players.close()


async def acknowledge(connection: ServerConnection, action: Action) -> None:
    await connection.send(JSON.encode(Ack(id=action.id)).decode())


async def test_players_act_in_turn_and_wait_for_all_acks() -> None:
    async with players_of(acknowledge) as players:
        await players.connect(3)
        late_s = await players.act_steadily(1000, 9)
        await players.until_answered()
        assert [player.actions.acked for player in players.all] == [3, 3, 3]
        assert len(players.latencies_ns) == 9
        assert min(players.latencies_ns) > 0
        assert late_s >= 0


async def test_players_keep_exactly_the_wanted_number_of_actions_waiting() -> None:
    most: list[int] = []

    async def observe(connection: ServerConnection, action: Action) -> None:
        most.append(max(player.actions.unacked for player in players.all))
        if action.id == 50:
            players.keep_acting(0)
        await acknowledge(connection, action)

    async with players_of(observe) as players:
        await players.connect(2)
        players.keep_acting(4)
        await players.until_answered()
        assert max(most) == 4
        assert 50 <= max(player.actions.sent for player in players.all) < 60


async def test_an_action_that_is_refused_ends_the_measurement() -> None:
    async def refuse(connection: ServerConnection, action: Action) -> None:
        await connection.send(JSON.encode(Nack(id=action.id, code="muted", message="no")).decode())

    async with players_of(refuse) as players:
        await players.connect(1)
        players.keep_acting(1)
        with pytest.raises(ClientsFailed, match="muted"):
            await players.until_answered()


async def test_the_server_s_close_code_and_reason_are_kept() -> None:
    async def ban(connection: ServerConnection, action: Action) -> None:
        await connection.close(4503, "banned")

    async with players_of(ban) as players:
        player = await players.connect_one("bot")
        player.act()
        await player.gone.wait()
        assert player.closed is not None
        assert player.closed[:2] == (4503, "banned")
        assert player.lost is not None
        assert "4503" in player.lost
