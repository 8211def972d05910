"""Tokens on real sockets: where they come from, when the client asks for them, and what happens without one."""

import asyncio

import pytest

import touchline
from sdk.clients import QUICK
from sdk.scripted_server import Peer, scripted
from support.waiting import eventually
from touchline import errors, token_source
from touchline.session import token_refresh
from touchline_protocol.limits import TOKEN_CHARS_MAX
from touchline_protocol.messages import Error, Refresh, Refreshed


class Desk:
    """Hands out tokens 1, 2, 3…, after raising the failures it was given."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return f"token{self.calls}"

    async def later(self) -> str:
        await asyncio.sleep(0)
        return self()


async def serve(peer: Peer) -> str | None:
    hello = await peer.welcome(player="ada")
    await peer.until_closed()
    return hello.token


async def test_a_string_is_the_token_of_every_hello() -> None:
    seen: list[str | None] = []

    async def first(peer: Peer) -> None:
        seen.append((await peer.welcome(player="ada")).token)
        assert peer.connection.request is not None
        assert peer.connection.request.path == "/ws"
        peer.connection.transport.abort()

    async def second(peer: Peer) -> None:
        seen.append(await serve(peer))

    async with (
        scripted(first, second) as server,
        touchline.connect(server.url, token="mine", backoff=QUICK, proxy=False) as client,
    ):
        await eventually(lambda: len(server.times) == 2 and client.connected)
        assert client.player == "ada"
    assert seen == ["mine", "mine"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_is_called_before_each_connection(asynchronous: bool) -> None:
    seen: list[str | None] = []

    async def first(peer: Peer) -> None:
        seen.append((await peer.welcome(player="ada")).token)
        await peer.connection.close(4002)  # the token expired, but the function can return another

    async def second(peer: Peer) -> None:
        seen.append(await serve(peer))

    desk = Desk()
    token = desk.later if asynchronous else desk
    async with (
        scripted(first, second) as server,
        touchline.connect(server.url, token=token, backoff=QUICK, proxy=False) as client,
    ):
        await eventually(lambda: len(server.times) == 2 and client.connected)
    assert seen == ["token1", "token2"]


async def test_a_newer_token_is_sent_before_the_end_and_again_after_a_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_refresh, "INTERVAL_S_MIN", 0.01)

    refreshed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada", expires_s=2)
        refused = await peer.hear(Refresh)
        await peer.say(Error(code="token_player", message="not yours", id=refused.id))
        again = await peer.hear(Refresh)
        assert (refused.token, again.token) == ("token3", "token4")  # the first call failed
        await peer.say(Refreshed(expires=3_600_000, id=again.id))
        refreshed.set()
        await peer.until_closed()

    desk = Desk()
    async with (
        scripted(script) as server,
        touchline.connect(server.url, token=desk.later, backoff=QUICK, proxy=False) as client,
    ):
        desk.failures.append(ValueError("the desk is closed"))
        async with asyncio.timeout(60):
            await refreshed.wait()
        assert client.connected
    assert (len(server.times), desk.calls) == (1, 4)


async def test_an_expired_fixed_token_ends_the_client() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada", expires_s=0.01)
        await peer.connection.close(4002)

    async with scripted(script) as server, touchline.connect(server.url, token="mine", proxy=False) as client:
        with pytest.raises(errors.ConnectionRefused) as caught:
            await client.subscribe("score:1").joined()
        assert caught.value.code == 4002


async def test_if_there_is_no_token_the_first_connection_fails_with_the_reason() -> None:
    reason = OSError("the desk is closed")
    async with scripted(serve) as server:
        with pytest.raises(errors.Unreachable, match="the desk is closed") as caught:
            await touchline.connect(server.url, token=Desk(reason), proxy=False).__aenter__()
        assert isinstance(caught.value, errors.TokenUnavailable)
        assert caught.value.__cause__ is reason
        assert server.times == []


async def test_if_there_is_no_token_the_client_tries_again_as_it_would_for_a_server() -> None:
    desk = Desk(OSError("closed"), OSError("still closed"))

    async def first(peer: Peer) -> None:
        await peer.welcome(player="ada")
        desk.failures.append(OSError("closed again"))
        peer.connection.transport.abort()

    async with (
        scripted(first, serve) as server,
        touchline.connect(server.url, token=desk, retry_first=True, backoff=QUICK, proxy=False) as client,
    ):
        await eventually(lambda: len(server.times) == 2 and client.connected)
    assert desk.calls == 5


async def test_a_function_that_returns_no_token_or_takes_too_long_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_source, "TOKEN_S_MAX", 0.02)

    async def forever() -> str:
        await asyncio.Event().wait()
        return "never"

    for wrong, named in (
        (lambda: None, "NoneType"),
        (lambda: "", "0 characters"),
        (lambda: "x" * (TOKEN_CHARS_MAX + 1), "8193 characters"),
        (forever, "TimeoutError"),
    ):
        with pytest.raises(errors.TokenUnavailable, match=named):
            await touchline.connect("ws://localhost:1/ws", token=wrong, proxy=False).__aenter__()  # type: ignore[arg-type]
    for text in ("", 5):
        with pytest.raises(ValueError, match="token"):
            touchline.connect("ws://localhost:1/ws", token=text)  # type: ignore[arg-type]


async def test_closing_does_not_wait_for_a_token() -> None:
    asked = asyncio.Event()

    async def forever() -> str:
        if asked.is_set():
            await asyncio.Event().wait()
        asked.set()
        return "token"

    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        peer.connection.transport.abort()

    async with (
        scripted(script) as server,
        touchline.connect(server.url, token=forever, backoff=QUICK, proxy=False) as client,
    ):
        await eventually(lambda: not client.connected)
    assert len(server.times) == 1
