"""`Client.act` on real sockets, and how a call can end, against a server that follows a script."""

import asyncio
import re
from typing import Any

import msgspec
import pytest

import touchline
from sdk import clients
from sdk.clients import leaves_nothing_behind
from sdk.scripted_server import Peer, scripted
from support.waiting import eventually
from touchline import Client, errors
from touchline.session.outbox import ACTIONS_DISABLED
from touchline_protocol.codecs import CODECS, CodecName
from touchline_protocol.messages import Ack, Action, Nack, Verdict

__all__ = ["leaves_nothing_behind"]


def connect(url: str, codec: CodecName = "msgpack", actions_buffer_max: int = 256) -> Client:
    return clients.connect(url, codec, token="ada's", actions_buffer_max=actions_buffer_max)


async def take(peer: Peer, count: int, *, answer: bool = True) -> list[Action]:
    """Receive this many actions, and acknowledge them."""
    actions = [await peer.hear(Action) for _ in range(count)]
    if answer:
        await peer.say(*[Ack(id=action.id) for action in actions])
    return actions


@pytest.mark.parametrize("codec", [codec.name for codec in CODECS])
async def test_an_action_arrives_unchanged_and_the_call_returns_once_it_is_acknowledged(codec: CodecName) -> None:
    data = {"x": [1, -2.5, None, True, "Å"], "y": {}}
    heard: list[Action] = []

    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        for _ in range(2):
            heard.extend(await take(peer, 1))
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url, codec) as client:
        assert await client.act("match:1", "tap", data) == touchline.Receipt("s", 1)
        assert await client.act("match:1", "tap") == ("s", 2)
        assert client.player == "ada"
    decode: Any = (msgspec.json if codec == "json" else msgspec.msgpack).decode
    assert [(action.room, action.kind, decode(action.data)) for action in heard] == [
        ("match:1", "tap", data),
        ("match:1", "tap", None),
    ]


async def test_actions_of_many_tasks_are_sent_in_the_order_of_the_calls() -> None:
    kinds: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        for _ in range(50):
            kinds.extend(action.kind for action in await take(peer, 1))
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        acted = await asyncio.gather(*[client.act("match:1", f"tap{n}") for n in range(50)])
    assert [number for _, number in acted] == list(range(1, 51))
    assert kinds == [f"tap{n}" for n in range(50)]


async def test_unanswered_actions_are_sent_again_on_the_next_connection_and_answered_there() -> None:
    async def first(peer: Peer) -> None:
        await peer.welcome(player="ada")
        await take(peer, 3, answer=False)
        await peer.say(Ack(id=1))
        peer.connection.transport.abort()

    async def second(peer: Peer) -> None:
        assert (await peer.welcome(player="ada")).session == "s"
        assert [(action.id, action.kind) for action in await take(peer, 2)] == [(2, "b"), (3, "c")]
        await peer.until_closed()

    async with scripted(first, second) as server, connect(server.url) as client:
        acted = await asyncio.gather(*[client.act("match:1", kind) for kind in "abc"])
        assert [number for _, number in acted] == [1, 2, 3]


async def test_a_refused_action_raises_its_code_and_a_delayed_one_is_sent_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        await take(peer, 2, answer=False)
        await peer.say(Nack(id=1, code="action_invalid", message="$.x is not a number"))
        await peer.say(Nack(id=2, code="rate_limited", message="slower", retry_ms=20))
        assert [action.id for action in await take(peer, 1)] == [2]
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        bad, good = await asyncio.gather(client.act("match:1", "a"), client.act("match:1", "b"), return_exceptions=True)
        assert isinstance(bad, errors.ActionRefused)
        assert bad.code == "action_invalid"
        assert {"a", "match:1", "$.x"} <= set(re.findall(r"[^\s():]+(?::\d+)?", str(bad)))
        assert good == ("s", 2)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize("codec", [codec.name for codec in CODECS])
async def test_invalid_arguments_raise_at_once_and_nothing_is_sent(codec: CodecName) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        assert (await take(peer, 1))[0].kind == "right"
        await peer.until_closed()

    with pytest.raises(errors.ClientClosed):
        await connect("ws://localhost/ws").act("match:1", "tap")
    async with scripted(script) as server, connect(server.url, codec) as client:
        with pytest.raises(errors.BadRoom):
            await client.act("match", "tap")
        for kind in ("", "two words", "x" * 65, None):
            with pytest.raises(ValueError, match=re.escape(repr(kind)[:60])):
                await client.act("match:1", kind)  # type: ignore[arg-type]
        for value in (b"bytes", {1, 2}, object(), {(1, 2): 3}):
            with pytest.raises(TypeError, match="JSON"):
                await client.act("match:1", "tap", {"value": value})
        for value in (float("nan"), float("inf"), 2**64, -(2**63) - 1, "\ud800", nested(257), nested(100_000)):
            with pytest.raises(ValueError, match="data"):
                await client.act("match:1", "tap", value)
        with pytest.raises(errors.ActionRefused, match="1002"):
            await client.act("match:1", "tap", "x" * 1000)
        assert await client.act("match:1", "right", [2**64 - 1, nested(255)]) == ("s", 1)


async def test_a_server_that_takes_no_actions_has_a_code_of_its_own() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        assert client.player is None
        with pytest.raises(errors.ActionRefused) as caught:
            await client.act("match:1", "tap")
        assert caught.value.code == ACTIONS_DISABLED


async def test_when_the_buffer_is_full_the_next_action_is_not_taken() -> None:
    free = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        await take(peer, 2, answer=False)
        await free.wait()
        await peer.say(Ack(id=1), Ack(id=2))
        await take(peer, 1)
        await peer.until_closed()

    async with (
        scripted(script) as server,
        connect(server.url, actions_buffer_max=2) as client,
        asyncio.TaskGroup() as tasks,
    ):
        waiting = [tasks.create_task(client.act("match:1", kind)) for kind in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(errors.ActionsFull, match="actions_buffer_max"):
            await client.act("match:1", "c")
        free.set()
        await asyncio.wait(waiting)
        assert await client.act("match:1", "d") == ("s", 3)


async def test_a_cancelled_action_is_withdrawn_unless_it_was_sent() -> None:
    sent, free = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        await take(peer, 4, answer=False)  # as many as may be on their way
        sent.set()
        await free.wait()
        await peer.say(*[Ack(id=number) for number in range(1, 5)])
        assert [(action.id, action.kind) for action in await take(peer, 1)] == [(5, "after")]
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        acts = [asyncio.create_task(client.act("match:1", kind)) for kind in ("a", "b", "c", "d", "unsent", "after")]
        await sent.wait()
        for cancelled in (acts[1], acts[4]):
            cancelled.cancel()
        await asyncio.wait({acts[1], acts[4]})
        free.set()
        ended = await asyncio.gather(*acts, return_exceptions=True)
        assert [getattr(end, "id", None) for end in ended] == [1, None, 3, 4, None, 5]
        assert [type(ended[place]) for place in (1, 4)] == [asyncio.CancelledError] * 2


async def test_a_ban_is_reported_and_ends_waiting_calls_with_its_reason() -> None:
    verdicts: list[touchline.Verdict] = []

    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        await peer.say(Verdict(kind="warn", reason="slow down"))
        await take(peer, 1, answer=False)
        await peer.say(Verdict(kind="ban", reason="40 taps a second"))
        await peer.connection.close(4503)

    async with (
        scripted(script) as server,
        touchline.connect(server.url, token="ada's", on_verdict=verdicts.append, proxy=False) as client,
    ):
        with pytest.raises(errors.ConnectionRefused, match="40 taps a second") as caught:
            await client.act("match:1", "tap")
        assert caught.value.code == 4503
        with pytest.raises(errors.ConnectionRefused, match="40 taps a second"):
            await client.act("match:1", "tap")
        assert [(verdict.kind, verdict.reason) for verdict in verdicts] == [
            ("warn", "slow down"),
            ("ban", "40 taps a second"),
        ]
        assert client.verdict == verdicts[-1]


async def test_an_exception_in_on_verdict_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        await peer.say(Verdict(kind="mute", reason="a while", until=9))
        await take(peer, 1)
        await peer.until_closed()

    def failing(verdict: touchline.Verdict) -> None:
        raise RuntimeError(f"no {verdict.kind} for me")

    async with (
        scripted(script) as server,
        touchline.connect(server.url, token="ada's", on_verdict=failing, proxy=False) as client,
    ):
        await eventually(lambda: client.verdict is not None)
        assert await client.act("match:1", "tap") == ("s", 1)
    assert "no mute for me" in caplog.text


async def test_closing_the_client_ends_waiting_calls() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        await take(peer, 1, answer=False)
        await peer.until_closed()

    async with scripted(script) as server:
        async with connect(server.url) as client:
            act = asyncio.create_task(client.act("match:1", "tap"))
            await asyncio.sleep(0)
        with pytest.raises(errors.ClientClosed):
            await act
