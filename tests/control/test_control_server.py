"""The control plane on a real socket."""

import asyncio
import contextlib
import logging
import signal
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from control.rooms import Rooms
from support.log_lines import log_lines
from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.control import connection
from touchline_server.control.app import ControlApp
from touchline_server.control.server import ControlServer
from touchline_server.node.sockets import bind


async def _ok(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _refused(port: int) -> None:
    """Return once nothing listens on the port."""
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:  # a connection in the backlog is reset
                return
            writer.close()
            await asyncio.sleep(0.01)


async def test_it_serves_on_a_free_port_and_releases_it_when_stopped() -> None:
    server = ControlServer(Starlette(routes=[Route("/", _ok)]), bind("the control plane", "127.0.0.1", 0))
    await server.start()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{server.port}/")).text == "ok"
    await server.stop()
    await server.stop()
    bind("the control plane", "127.0.0.1", server.port).close()


async def test_a_running_request_is_answered_before_the_server_stops() -> None:
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        arrived.set()
        await answer.wait()
        return PlainTextResponse("done")

    server = ControlServer(Starlette(routes=[Route("/", slow)]), bind("the control plane", "127.0.0.1", 0))
    await server.start()
    async with httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"http://127.0.0.1:{server.port}/"))
        await arrived.wait()
        stop = asyncio.create_task(server.stop())
        await _refused(server.port)
        answer.set()
        assert (await request).text == "done"
        await stop


@pytest.mark.parametrize("sent", ["", "GET / HTTP/1.1\r\nHost:", "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET "])
async def test_a_connection_that_sends_no_complete_head_is_cut(sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.1)
    server = ControlServer(Starlette(routes=[Route("/", _ok)]), bind("the control plane", "127.0.0.1", 0))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent.encode())
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionError):
            answer = await reader.read()
            assert answer.count(b"HTTP/1.1 200") == sent.count("\r\n\r\n")
    writer.close()
    await server.stop()


async def test_a_request_may_take_longer_than_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        arrived.set()
        await answer.wait()
        return PlainTextResponse("done")

    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.05)
    server = ControlServer(Starlette(routes=[Route("/", slow)]), bind("the control plane", "127.0.0.1", 0))
    await server.start()
    async with httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"http://127.0.0.1:{server.port}/"))
        await arrived.wait()
        asyncio.get_running_loop().call_later(0.2, answer.set)
        assert (await request).text == "done"
    await server.stop()


GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    "sent", [b"", GET[:-2], GET, GET + GET[:-2]], ids=["silent", "half", "kept alive", "half next"]
)
async def test_connections_without_a_request_keep_no_other_out(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    listener = bind("the control plane", "127.0.0.1", 0)
    server = ControlServer(Starlette(routes=[Route("/", _ok)]), listener, connections_max=3)
    await server.start()
    opened = []
    async with asyncio.timeout(60):
        for _ in range(6):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            opened.append(writer)
            writer.write(sent)
            if GET in sent:
                assert await reader.readuntil(b"\r\n\r\nok")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/")).text == "ok"
        assert reader.at_eof() is False, "the oldest gave way"
    lines = log_lines(caplog, "control_connections_full")
    assert [(line["connections"], line["closed"]) for line in lines] == [(4, "idle")] * 4
    for writer in opened:
        writer.close()
    await server.stop()


async def test_requests_under_way_are_not_cut_for_a_new_connection() -> None:
    arrived, answer = asyncio.Semaphore(0), asyncio.Event()

    async def slow(_: Request) -> Response:
        arrived.release()
        await answer.wait()
        return PlainTextResponse("done")

    listener = bind("the control plane", "127.0.0.1", 0)
    server = ControlServer(Starlette(routes=[Route("/", slow)]), listener, connections_max=2)
    await server.start()
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        requests = [asyncio.create_task(client.get(f"http://127.0.0.1:{server.port}/")) for _ in range(2)]
        for _ in requests:
            await arrived.acquire()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        refused = await reader.read()
        writer.close()
        answer.set()
        assert [(await request).text for request in requests] == ["done", "done"]
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in refused
    await server.stop()


@pytest.mark.parametrize("behind", [b"", GET], ids=["first", "behind a request"])
async def test_bytes_that_are_not_http_are_logged(behind: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "touchline")
    server = ControlServer(Starlette(routes=[Route("/", _ok)]), bind("the control plane", "127.0.0.1", 0))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(behind + b"\x16\x03\x01\x02\x00\x01\r\n\r\n")
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionError):
            assert b" 400 " in await reader.read()
    writer.close()
    await server.stop()
    (line,) = log_lines(caplog, "request_refused")
    assert (line["status"], line["code"]) == (400, "not_http")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_an_incomplete_body_publishes_nothing_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    rooms = Rooms()
    server = ControlServer(ControlApp(rooms, Settings()), bind("the control plane", "127.0.0.1", 0))
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"POST /v1/rooms/match:1/events HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"data": 1}'
    )
    await writer.drain()
    writer.close()
    async with httpx.AsyncClient() as client:
        response = await client.post(f"http://127.0.0.1:{server.port}/v1/rooms/match:1/events", json={"data": 2})
    await server.stop()
    assert response.status_code == 200
    assert [event.value for _, event in rooms.published] == [b"2"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_it_leaves_the_signal_handlers_alone() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    server = ControlServer(Starlette(), bind("the control plane", "127.0.0.1", 0))
    await server.start()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    await server.stop()


async def test_stopping_without_a_start_closes_the_socket() -> None:
    server = ControlServer(Starlette(), bind("the control plane", "127.0.0.1", 0))
    await server.stop()
    bind("the control plane", "127.0.0.1", server.port).close()


def test_a_taken_port_is_an_error_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError) as error:
            bind("the control plane", "127.0.0.1", port)
    message = str(error.value)
    assert all(part in message for part in ("the control plane", "127.0.0.1", str(port), "Address already in use"))
    assert "\n" not in message


@pytest.mark.parametrize("host", ["no host", "203.0.113.1"])
def test_an_address_of_another_machine_is_an_error(host: str) -> None:
    with pytest.raises(OperatorError, match=host):
        bind("the control plane", host, 0)
