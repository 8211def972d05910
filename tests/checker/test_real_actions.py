"""Real actions through a proxy that lies about their outcomes: the checker finds the lie in the log."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from edge.logs import BreakableLog
from edge.players import AUTH, loose_limits, token
from support.node_fixture import running_node
from support.tampering import Tamper, tampering_proxy
from support.waiting import DEADLINE_S
from touchline_loadtest.checks.actions import UNANSWERED, Acted, ActionEntry, LoggedAction
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.values import value_of
from touchline_loadtest.runs.history.check import check_folder
from touchline_loadtest.runs.history.log_writer import LogWriter
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Ack, Action, Hello, Nack, ServerMessage, Welcome

PLAYER = "ada"
ROOM, NO_ROOM = "match:1", "chat:1"
"""The server takes actions in the first one, and refuses those in the second one."""

ACTIONS = ((1, ROOM), (2, NO_ROOM), (3, ROOM))


async def act(url: str, traces: TraceWriter) -> None:
    """Act three times, and note the outcomes."""
    waiting: dict[int, Acted] = {}
    async with connect(url, subprotocols=[Subprotocol(JSON.subprotocol)], compression=None) as socket:
        await socket.send(JSON.encode(Hello(token=token(PLAYER))), text=True)
        welcome = JSON.decode_server(await socket.recv(decode=False))
        assert isinstance(welcome, Welcome)
        for id_, room in ACTIONS:
            data = {"n": id_}
            acted = Acted(PLAYER, value_of("tap", data), UNANSWERED, 0.0, room=room, kind="tap", sends=1)
            traces.acted(acted)
            waiting[id_] = acted
            action = Action(id=id_, room=room, kind="tap", data=msgspec.Raw(msgspec.json.encode(data)))
            await socket.send(JSON.encode(action), text=True)
        while waiting:
            answer = JSON.decode_server(await socket.recv(decode=False))
            if isinstance(answer, Ack):
                traces.acted(waiting.pop(answer.id)._replace(code="", session=welcome.session, id=answer.id))
            elif isinstance(answer, Nack):
                traces.acted(waiting.pop(answer.id)._replace(code=answer.code))


async def breaches_with(tamper: Tamper, folder: Path) -> list[Breach]:
    """What ``check`` finds after a player has acted behind the proxy."""
    log = BreakableLog()
    async with (
        running_node(log, auth=AUTH, actions=loose_limits()) as node,
        tampering_proxy(node.url, lambda _: tamper) as url,
    ):
        with TraceWriter(folder) as traces, LogWriter(folder) as written:
            async with asyncio.timeout(DEADLINE_S):
                await act(url, traces)
            for offset, record in enumerate(await log.records()):
                action = json.loads(record.value or b"")
                entry = ActionEntry(
                    action["player"],
                    action["session"],
                    action["id"],
                    action["kind"],
                    value_of(action["kind"], action["data"]),
                    action["room"],
                )
                written.action(LoggedAction(entry, offset))
    return check_folder(folder).breaches


def as_it_is(message: ServerMessage) -> Sequence[ServerMessage]:
    return [message]


def acknowledge_all(message: ServerMessage) -> Sequence[ServerMessage]:
    return [Ack(message.id)] if isinstance(message, Nack) else [message]


def refuse_all(message: ServerMessage) -> Sequence[ServerMessage]:
    return [Nack(message.id, "action_invalid", "no")] if isinstance(message, Ack) else [message]


@pytest.mark.parametrize(
    ("tamper", "kinds"),
    [(as_it_is, []), (acknowledge_all, ["action_lost"]), (refuse_all, ["action_refused_in_log"] * 2)],
    ids=["as it is", "acks of refused actions", "nacks of stored actions"],
)
async def test_a_lie_about_an_action_is_found(tmp_path: Path, tamper: Tamper, kinds: list[str]) -> None:
    breaches = await breaches_with(tamper, tmp_path)
    assert [breach.kind for breach in breaches] == kinds
    assert {(breach.client, breach.room) for breach in breaches} <= {(PLAYER, ROOM), (PLAYER, NO_ROOM)}
