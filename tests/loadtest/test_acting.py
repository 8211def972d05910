"""The generator of actions: what a server does wrong with them, or a log lacks, is seen."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from touchline_loadtest.acting import Acting
from touchline_loadtest.action_log import Compared, Session, compare
from touchline_loadtest.clients import CrowdFailed
from touchline_loadtest.players import Players
from touchline_protocol.actions import ActionRecord
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Ack, Action, Beat, Hello, Limits, Message, Nack, Verdict, Welcome

ROOM = "match:1"
SECRET = "of at least thirty-two bytes, as it has to be"
WELCOME = Welcome(session="s", edge="e", heartbeat_ms=1000, limits=Limits(1024, 1), time=0)

Answer = Callable[[ServerConnection, Action], Awaitable[None]]


def acting() -> Acting:
    it = Acting("player", ROOM, 100)
    it.take(JSON.encode(WELCOME), 0)
    return it


def action_in(framed: bytes) -> Action:
    """What a server reads of a client's frame with 126 bytes of payload or more, and a mask of zeros."""
    message = JSON.decode_client(framed[8:])
    assert isinstance(message, Action)
    return message


def test_actions_are_numbered_and_have_their_size() -> None:
    it = acting()
    first, second = action_in(it.act(1)), action_in(it.act(2))
    assert (first.id, second.id, first.room) == (1, 2, ROOM)
    assert len(bytes(first.data)) == 100
    assert json.loads(bytes(second.data))["due"] == 2


def test_an_ack_is_as_late_as_its_action_is_old() -> None:
    it = acting()
    it.act(100)
    it.act(200)
    it.take(JSON.encode(Ack(id=2)), 250)
    assert (it.unacked, it.acked, it.latencies_ns) == (1, 1, [50])
    it.take(JSON.encode(Ack(id=1)), 300)
    assert (it.unacked, it.acked, it.latencies_ns) == (0, 2, [50, 200])


@pytest.mark.parametrize("wrong", [Ack(id=2), Nack(id=1, code="rate_limited", message="no"), WELCOME])
def test_what_nobody_expects_is_kept(wrong: Message) -> None:
    it = acting()
    it.act(0)
    it.take(JSON.encode(wrong), 0)
    assert len(it.unexpected) == 1
    assert it.acked == 0


def test_an_ack_that_comes_twice_is_not_expected() -> None:
    it = acting()
    it.act(0)
    for _ in range(2):
        it.take(JSON.encode(Ack(id=1)), 0)
    assert (it.acked, len(it.unexpected)) == (1, 1)


def test_what_answers_no_action_is_passed_over() -> None:
    it = acting()
    for message in (Beat(), Verdict(kind="warn", reason="slow down")):
        it.take(JSON.encode(message), 0)
    assert it.unexpected == []


def record(player: str, session: str, number: int) -> ActionRecord:
    return ActionRecord(player, ROOM, "tap", msgspec.Raw(b"0"), session, number, 0, "edge")


def test_a_log_with_all_that_was_acknowledged_lacks_nothing() -> None:
    records = [record("a", "s", 1), record("b", "s", 1), record("a", "s", 2), record("a", "t", 1)]
    acked = {Session("a", "s"): 2, Session("b", "s"): 1, Session("a", "t"): 1}
    assert compare(records, acked) == Compared(4, 0, 0)


@given(st.integers(1, 20), st.data())
def test_a_lost_action_is_missing_and_a_moved_or_doubled_one_out_of_order(count: int, data: st.DataObject) -> None:
    records = [record("a", "s", number) for number in range(1, count + 1)]
    place = data.draw(st.integers(0, count - 1))
    acked = {Session("a", "s"): count}
    assert compare(records[:place] + records[place + 1 :], acked).missing == count - place
    assert compare([*records, records[place]], acked) == Compared(count + 1, 0, 1)
    if place:
        moved = records[:]
        moved[place - 1], moved[place] = moved[place], moved[place - 1]
        assert compare(moved, acked).disordered > 0


def test_a_session_that_is_not_in_the_log_is_missing() -> None:
    assert compare([record("a", "s", 1)], {Session("a", "t"): 3}) == Compared(1, 3, 0)


@contextlib.asynccontextmanager
async def players_of(answer: Answer) -> AsyncIterator[Players]:
    """Players of a server that welcomes those with a token, and answers their actions so."""

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
        assert [player.acting.acked for player in players.all] == [3, 3, 3]
        assert len(players.latencies_ns) == 9
        assert min(players.latencies_ns) > 0
        assert late_s >= 0


async def test_players_keep_so_many_actions_waiting_and_no_more() -> None:
    most: list[int] = []

    async def look(connection: ServerConnection, action: Action) -> None:
        most.append(max(player.acting.unacked for player in players.all))
        if action.id == 50:
            players.keep_acting(0)
        await acknowledge(connection, action)

    async with players_of(look) as players:
        await players.connect(2)
        players.keep_acting(4)
        await players.until_answered()
        assert max(most) == 4
        assert 50 <= max(player.acting.sent for player in players.all) < 60


async def test_an_action_that_is_refused_ends_the_measurement() -> None:
    async def refuse(connection: ServerConnection, action: Action) -> None:
        await connection.send(JSON.encode(Nack(id=action.id, code="muted", message="no")).decode())

    async with players_of(refuse) as players:
        await players.connect(1)
        players.keep_acting(1)
        with pytest.raises(CrowdFailed, match="muted"):
            await players.until_answered()


async def test_how_and_when_a_server_closed_is_known() -> None:
    async def ban(connection: ServerConnection, action: Action) -> None:
        await connection.close(4503, "banned")

    async with players_of(ban) as players:
        player = await players.one("bot")
        player.act()
        await player.gone.wait()
        assert player.closed is not None
        assert player.closed[:2] == (4503, "banned")
        assert player.lost == "the server closed with 4503 banned"
