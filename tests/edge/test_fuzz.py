"""Fuzzing: whatever a client sends, the edge logs no error and keeps serving another client."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.frames import Opcode
from websockets.http11 import Request

from auth.signed import forged
from edge.players import AUTH, act, answer, bearer, loose_limits, player, token
from edge.streams import request, target_of
from support.node_fixture import RunningNode, client_frame, running_node
from support.thoroughness import examples
from support.waiting import eventually
from touchline_protocol.messages import Event
from touchline_server.edge.requests import event_stream
from touchline_server.web.policy import WebPolicy

FIELDS_OF_PLAYERS = ("token", "session", "kind", "data", "prev")
NAMES = ("type", "rooms", "room", "epoch", "after", "last", "deliver", "id", "agent", *FIELDS_OF_PLAYERS)
WORDS = (
    "hello",
    "subscribe",
    "unsubscribe",
    "action",
    "refresh",
    "welcome",
    "latest",
    "score:1",
    "match:é",
    "chat:1",
    "",
)
TOKENS = (
    token(lasts_s=3600),
    token("bob", lasts_s=3600, act=["match:*"], rooms=None),
    token(lasts_s=-1),
    forged({"alg": "none"}, {"sub": "eve"}),
    forged({"alg": "HS256"}, {"sub": "eve"}, b"x"),
    "a.b.c",
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)
room_requests = st.fixed_dictionaries(
    {"room": st.sampled_from(("score:1", "score:2", "match:1", "chat:1", "score:"))},
    optional={
        "epoch": st.sampled_from(("x-0", "")),
        "after": st.integers(-2, 2**63),
        "last": st.integers(-1, 1001),
        "deliver": st.sampled_from(("all", "latest", "none")),
    },
)
jwt = st.sampled_from(TOKENS) | values
sessions = st.sampled_from(("s", "t", "a b"))
ids = st.integers(0, 5) | st.sampled_from((2**53 - 1, 2**53, -1)) | values
messages = st.one_of(
    st.fixed_dictionaries({"type": st.just("subscribe"), "rooms": st.lists(room_requests, max_size=3)}),
    st.fixed_dictionaries(
        {"type": st.just("unsubscribe"), "rooms": st.lists(st.sampled_from(WORDS), max_size=3), "id": values}
    ),
    st.fixed_dictionaries({"type": st.just("hello")}, optional={"token": jwt, "session": sessions}),
    st.fixed_dictionaries({"type": st.just("refresh"), "token": jwt}, optional={"id": ids}),
    st.fixed_dictionaries(
        {"type": st.just("action"), "id": ids, "room": st.sampled_from(WORDS), "kind": st.sampled_from(("tap", "a b"))},
        optional={"data": values, "prev": ids},
    ),
    values,
)
payloads = messages.map(lambda message: json.dumps(message).encode()) | st.binary(max_size=200)
frames = st.builds(client_frame, st.sampled_from(Opcode), payloads, fin=st.booleans() | st.just(True))
valid_frames = payloads.map(lambda payload: client_frame(Opcode.TEXT, payload))
HELLOS = [
    client_frame(Opcode.TEXT, json.dumps({"type": "hello"} | fields).encode())
    for fields in ({}, {"token": TOKENS[0]}, {"token": TOKENS[0], "session": "s"}, {"token": TOKENS[1], "session": "s"})
]
HEADERS: Sequence[dict[str, str]] = (
    {},
    bearer(TOKENS[0]),
    bearer(TOKENS[2]),
    bearer("\xe9"),
    {"Authorization": "Bearer"},
)


@given(
    handshake=st.sampled_from(("awaited", "sent", "stream", "none")),
    headers=st.sampled_from(HEADERS),
    hello=st.sampled_from(HELLOS),
    sent=st.lists(valid_frames | frames | st.binary(max_size=300), min_size=1, max_size=6),
    cut_at=st.integers(0, 300),
    closes=st.booleans(),
)
@settings(max_examples=examples(1), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_input_harms_the_edge_or_another_client(
    serving: "Serving",
    handshake: str,
    headers: dict[str, str],
    hello: bytes,
    sent: list[bytes],
    cut_at: int,
    closes: bool,
) -> None:
    serving.run(serving.attack(handshake, headers, hello + b"".join(sent), cut_at, closes))
    assert not serving.log.records


in_targets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)
parameters = st.sampled_from(("after", "last", "deliver", "x"))
parameter_values = in_targets | st.sampled_from(("e.1", "1", "all", "null", "%00", "%ff", "1e3", "-1", "true"))


POLICY = WebPolicy(hosts=[], origins=[], listener="127.0.0.1", machine="")


@given(
    room=in_targets | st.sampled_from(("score:1", "score:%2F", "score:%ff")),
    query=st.lists(st.tuples(parameters, parameter_values), max_size=3),
    last_event_id=st.none() | st.text(st.sampled_from(" .-19aeé%\xff"), max_size=10) | st.just("e.1"),
)
def test_any_request_for_a_stream_is_accepted_or_refused(
    room: str, query: list[tuple[str, str]], last_event_id: str | None
) -> None:
    headers = Headers({} if last_event_id is None else {"Last-Event-ID": last_event_id})
    words = "&".join(f"{name}={value}" for name, value in query)
    request = Request(f"/v1/rooms/{room}/events?{words}", headers)
    try:
        read = event_stream.read(request, POLICY, None)
    except event_stream.Refused as refused:
        response = event_stream.refusal(request, refused, POLICY, lambda: 0.5)
        assert response.status_code == 400
        assert json.loads(bytes(response.body))["error"]["message"]
    else:
        assert 0 <= (read.last or 0) <= 1000


class Serving:
    """A node, and a client that must not notice anything."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: pytest.LogCaptureFixture) -> None:
        self.loop = loop
        self.log = log
        self.action_id = 0
        self.node: RunningNode
        self.witness: Any

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def attack(self, handshake: str, headers: dict[str, str], data: bytes, cut_at: int, closes: bool) -> None:
        async with self.node.raw() as client:
            if handshake == "awaited":
                await client.request(headers=headers)
                assert await client.status() in (101, 401)
            elif handshake == "stream":
                await client.send_bytes(request(target_of(), headers))
            elif handshake == "sent":
                await client.request(headers=headers)
            with contextlib.suppress(ConnectionError):
                for part in (data[:cut_at], data[cut_at:]):
                    await client.send_bytes(part)
                    await asyncio.sleep(0)
            if closes:
                with contextlib.suppress(OSError):
                    client.sock.shutdown(1)
                await client.read_all()
            await self.node.publish("score:1", "seen", key="k")
            await self.witness.expect(Event)
            self.action_id += 1
            await act(self.witness, self.action_id)
            assert await answer(self.witness) == (self.action_id, "ack")
        await eventually(lambda: self.node.node.core.connections == 1)
        await eventually(lambda: self.node.node.core.access.actions.waiting == 0)


@pytest.fixture
def serving(caplog: pytest.LogCaptureFixture) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        serving = Serving(runner.get_loop(), caplog)
        context = running_node(auth=AUTH, actions=loose_limits())
        serving.node = runner.run(context.__aenter__())
        client = player(serving.node, "witness")
        serving.witness, _ = runner.run(client.__aenter__())
        runner.run(serving.witness.join("score:1"))
        try:
            yield serving
        finally:
            runner.run(client.__aexit__(None, None, None))
            runner.run(context.__aexit__(None, None, None))
