"""The client's first connection on real sockets: refused, unreachable, retried, cancelled."""

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

import touchline
from sdk.clients import QUICK, connect, leaves_nothing_behind, offsets
from sdk.scripted_server import Peer, event, scripted
from touchline import errors
from touchline.transport import connection_failed

__all__ = ["leaves_nothing_behind"]


def answer(status: HTTPStatus) -> Callable[[ServerConnection, Request], Response]:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(status, "Not you.\n")

    return refuse


async def never(peer: Peer) -> None:
    raise AssertionError("no client should get here")


@pytest.mark.parametrize("status", [HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED])
async def test_a_refused_handshake_is_an_error_at_once(status: HTTPStatus) -> None:
    async with scripted(never, refuse=answer(status)) as server:
        with pytest.raises(errors.ConnectionRefused, match="Not you") as caught:
            await connect(server.url).__aenter__()
        assert caught.value.code == status


async def test_a_full_edge_and_a_closed_port_are_unreachable_at_the_first_connection() -> None:
    async with scripted(never, refuse=answer(HTTPStatus.SERVICE_UNAVAILABLE)) as server:
        with pytest.raises(errors.Unreachable, match="503"):
            await connect(server.url).__aenter__()
    with pytest.raises(errors.Unreachable):
        await connect(server.url).__aenter__()


@pytest.mark.parametrize(
    ("values", "retry_after_s"),
    [
        (["7"], 7.0),
        ([" 7 "], 7.0),
        (["0"], 0.0),
        ([], 0.0),
        (["0.5"], 0.0),
        (["-1"], 0.0),
        (["²"], 0.0),
        (["nan"], 0.0),
        (["9" * 400], 0.0),
        (["7", "8"], 0.0),
        (["Fri, 31 Dec 1999 23:59:59 GMT"], 0.0),
    ],
)
@pytest.mark.parametrize("status", [HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS])
def test_a_temporary_refusal_says_when_to_come_back(
    status: HTTPStatus, values: list[str], retry_after_s: float
) -> None:
    headers = Headers([("Retry-After", value) for value in values])
    failure = connection_failed("ws://x/ws", InvalidStatus(Response(status, status.phrase, headers)))
    assert isinstance(failure, errors.Unreachable)
    assert failure.retry_after_s == retry_after_s


async def test_retry_first_waits_for_a_server_that_is_not_there_yet() -> None:
    answers = iter([HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY])

    def refuse(connection: ServerConnection, _request: Request) -> Response | None:
        status = next(answers, None)
        return None if status is None else connection.respond(status, "later\n")

    async def script(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1))
        await peer.until_closed()

    async with (
        scripted(script, refuse=refuse) as server,
        touchline.connect(server.url, retry_first=True, backoff=QUICK, proxy=False) as client,
    ):
        assert await offsets(client.subscribe("score:1"), 1) == [1]


async def test_a_connect_that_is_cancelled_leaves_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.setblocking(False)
        task = asyncio.create_task(connect(f"ws://127.0.0.1:{silent.getsockname()[1]}/ws").__aenter__())
        accepted, _ = await asyncio.get_running_loop().sock_accept(silent)
        with accepted:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
