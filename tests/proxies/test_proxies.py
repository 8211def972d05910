"""The configurations in deploy/proxies/, with the real programs, and the settings and commands of docs/proxies.md."""

import asyncio
import contextlib
import os
import re
import ssl
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from proxies.running_proxy import HOST, ORIGIN, PROXIES, RunningProxy, Site, configuration, running_proxy, snippet
from support.browser import launched_browser, open_page
from support.certificates import Authority
from support.event_source import EventSourceParser
from support.log_lines import log_lines
from support.node_fixture import Client
from support.waiting import DEADLINE_S
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Event, Goaway, Welcome
from touchline_server.config.settings import Settings

STREAM = "/v1/rooms/score:1/events"
LARGE = "x" * 200_000
RETRY_MS = 5_000
"""After how long an event source comes back while no edge is up, says the document."""


@contextlib.asynccontextmanager
async def websocket(proxy: RunningProxy, origin: str | None = ORIGIN) -> AsyncIterator[ClientConnection]:
    """A WebSocket to the site, as a page of ``origin`` opens it."""
    where: dict[str, Any] = {"host": "127.0.0.1", "port": proxy.port, "ssl": proxy.tls, "server_hostname": HOST}
    page = None if origin is None else Origin(origin)
    async with connect(f"wss://{HOST}/ws", origin=page, max_size=None, proxy=None, **where) as opened:
        yield opened


@contextlib.asynccontextmanager
async def client(proxy: RunningProxy) -> AsyncIterator[tuple[Client, Welcome]]:
    """A client of the site, and the welcome that it got."""
    async with websocket(proxy) as opened:
        greeted = Client(opened, JSON)
        yield greeted, await greeted.greet()


class Http:
    """A request to the site, and its response, whose body can be read as it arrives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def head(self) -> tuple[int, str]:
        """The status, and the head in lower case."""
        async with asyncio.timeout(DEADLINE_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        return int(head.split()[1]), head

    async def until(self, part: bytes) -> bytes:
        """The body up to this part."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._reader.readuntil(part)

    async def rest(self) -> bytes:
        """The rest of the body."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._reader.read()


@contextlib.asynccontextmanager
async def http(proxy: RunningProxy, target: str, method: str = "GET", **headers: str) -> AsyncIterator[Http]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", proxy.port, ssl=proxy.tls, server_hostname=HOST, limit=1 << 20
    )
    fields = {"Host": HOST, "Connection": "close"} | headers
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    writer.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())
    try:
        yield Http(reader, writer)
    finally:
        writer.close()


async def status_of(proxy: RunningProxy, target: str, method: str = "GET", **headers: str) -> int:
    async with http(proxy, target, method, **headers) as response:
        return (await response.head())[0]


async def until_serving(proxy: RunningProxy) -> None:
    """Wait until the proxy knows that an edge is up, which its checks of health tell it after a while."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if await status_of(proxy, "/v1/rooms/") == 404:
                return
            await asyncio.sleep(0.1)


async def check_as_documented(proxy: RunningProxy, home: Path) -> None:
    """Run the document's curl commands as they are. A ``.curlrc`` says where the name leads, and whom to trust."""
    (home / ".curlrc").write_text(
        f"silent\ncacert = {proxy.certificate}\nconnect-to = {HOST}:443:127.0.0.1:{proxy.port}\n"
    )
    readyz, stream = [line for line in snippet("sh").splitlines() if line.startswith("curl ")]
    assert b" 404" in await output_of(readyz, home, until=b"\n")
    assert STREAM in stream
    await output_of(stream, home, until=b"subscribed")


async def output_of(command: str, home: Path, *, until: bytes) -> bytes:
    """The output of a shell command up to some bytes. The command is ended then."""
    environment = os.environ | {"HOME": str(home), "CURL_HOME": str(home)}
    process = await asyncio.create_subprocess_shell(f"exec {command}", stdout=asyncio.subprocess.PIPE, env=environment)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await process.stdout.readuntil(until)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("name", PROXIES)
async def test_a_site_behind_a_proxy_works_and_exposes_nothing_else(name: str, tmp_path: Path) -> None:
    site = Site.on_free_ports()
    async with site.edge(0) as node, running_proxy(name, tmp_path, site) as proxy:
        async with client(proxy) as (watching, _):
            await watching.join("score:1")
            async with http(proxy, STREAM, Accept="text/event-stream", Origin=ORIGIN) as stream:
                status, head = await stream.head()
                assert (status, "text/event-stream" in head) == (200, True)
                await stream.until(b"subscribed")  # while nothing else is written: there is no buffer
                await node.publish("score:1", "small")
                await stream.until(b'"small"')
                await node.publish("score:1", LARGE)
                await stream.until(LARGE[-1000:].encode() + b'"')
            assert [event.data for event in await watching.events(2)] == ["small", LARGE]
        with pytest.raises(InvalidStatus) as refused:
            async with websocket(proxy, "https://other.example"):
                pass
        assert refused.value.response.status_code == 403
        assert HOST in bytes(refused.value.response.body or b"").decode()  # the Host that the browser sent
        async with websocket(proxy, None):
            pass  # a program, as `touchline tail` is one
        await check_as_documented(proxy, tmp_path)
        for target in ("/readyz", "/healthz", "/v1/openapi.json", "/", "/v1/roomsx"):
            assert await status_of(proxy, target) == 404, target
        assert await status_of(proxy, STREAM, "POST", Content_Length="0") == 405


@pytest.mark.parametrize("name", PROXIES)
def test_every_timeout_of_a_quiet_connection_outlasts_two_heartbeats(name: str) -> None:
    quiet = re.findall(
        r"(?:proxy_read_timeout|timeout (?:client|server|tunnel)|read_timeout|idle) +(\d+)s", configuration(name)
    )
    assert len(quiet) == {"nginx": 1, "haproxy": 3, "caddy": 0}[name]  # Caddy has none for these unless they are set
    assert all(int(seconds) > 2 * Settings().heartbeat_s for seconds in quiet)


@pytest.mark.long
@pytest.mark.parametrize("name", PROXIES)
async def test_heartbeats_keep_a_quiet_connection_open_beyond_the_timeouts(name: str, tmp_path: Path) -> None:
    """With timeouts of 3 s instead of 75 s, and heartbeats each second instead of 25."""

    def shorter(text: str) -> str:
        return text.replace("75s", "3s")

    site = Site.on_free_ports()
    async with (
        site.edge(0, heartbeat_s=1) as node,
        running_proxy(name, tmp_path, site, shorter) as proxy,
        client(proxy) as (watching, _),
        http(proxy, STREAM, Accept="text/event-stream") as stream,
    ):
        await watching.join("score:1")
        await stream.head()
        for _ in range(8):  # heartbeats, so more than twice the timeout
            await stream.until(b": beat")
        await node.publish("score:1", "late")
        await stream.until(b'"late"')
        while not isinstance(await watching.next(), Event):
            pass


@pytest.mark.long
@pytest.mark.parametrize("name", PROXIES)
async def test_a_client_of_an_edge_that_drains_is_told_and_comes_back_to_the_other(name: str, tmp_path: Path) -> None:
    site = Site.on_free_ports()
    async with (
        site.edge(0, drain_s=1.0) as first,
        site.edge(1, drain_s=1.0) as second,
        running_proxy(name, tmp_path, site) as proxy,
    ):
        edges = {node.node.settings.edge_name: node.node for node in (first, second)}
        async with client(proxy) as (watching, welcome):
            await watching.join("score:1")
            async with http(proxy, STREAM, Accept="text/event-stream") as stream:
                await stream.head()
                stopping = asyncio.create_task(edges[welcome.edge].stop())
                goaway = await watching.expect(Goaway)
                assert goaway.reconnect_ms <= 1000
                await watching.websocket.wait_closed()
                assert watching.websocket.close_code == 1001
            async with client(proxy) as (back, again):
                assert again.edge == (edges.keys() - {welcome.edge}).pop()
                await back.join("score:1")
            await stopping


@pytest.mark.long
@pytest.mark.parametrize("name", PROXIES)
async def test_an_event_source_is_asked_to_come_back_while_no_edge_is_up(name: str, tmp_path: Path) -> None:
    async with running_proxy(name, tmp_path, Site.on_free_ports()) as proxy:
        async with http(proxy, STREAM, Accept="text/event-stream", Origin="https://other.example") as stream:
            status, head = await stream.head()
            assert (status, "content-type: text/event-stream" in head) == (200, True)
            assert "access-control-allow-origin: *" in head
            assert "cache-control: no-store" in head
            parser = EventSourceParser()
            assert parser.feed(await stream.rest()) == []
            assert parser.retry_ms == RETRY_MS
        with pytest.raises(InvalidStatus) as refused:
            async with websocket(proxy):
                pass
        assert refused.value.response.status_code in (502, 503, 504)


IN_PAGE = """
async () => {
    window.events = [];
    window.source = new EventSource("/v1/rooms/score:1/events");
    const joined = new Promise((resolve, reject) => {
        source.onerror = reject;
        source.onmessage = ({data}) => {
            const message = JSON.parse(data);
            if (message.type === "subscribed") resolve();
            if (message.type === "event") events.push(message.data);
        };
    });
    const socket = new WebSocket("wss://live.example.org/ws");
    const opened = new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
    await Promise.all([joined, opened]);
}
"""


@pytest.mark.long
@pytest.mark.parametrize("name", PROXIES)
async def test_a_page_of_the_site_connects_and_its_event_source_survives_a_restart(name: str, tmp_path: Path) -> None:
    """The page, its WebSocket and its stream go through the proxy, by HTTP/2 where the proxy speaks it."""
    site, url = Site.on_free_ports(), f"sqlite:///{tmp_path / 'log.db'}"
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(running_proxy(name, tmp_path, site))
        flags = ("--ignore-certificate-errors", f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{proxy.port}")
        browser = await stack.enter_async_context(launched_browser(*flags))
        page = await stack.enter_async_context(open_page(browser))
        async with site.edge(0, url=url) as node:
            await until_serving(proxy)
            await page.goto(f"{ORIGIN}/v1/rooms/")  # the 404 of an edge is a page as good as any
            await page.evaluate(IN_PAGE)
            await node.publish("score:1", 1)
            await page.wait_for_function("events.length === 1")
        await page.wait_for_function("source.readyState === EventSource.CONNECTING")
        async with site.edge(0, url=url) as node:
            await node.publish("score:1", 2)
            await page.wait_for_function("events.length === 2", timeout=DEADLINE_S * 1000)
            assert await page.evaluate("events") == [1, 2]


CLIENT_HOST = "127.0.0.9"
"""The address of a client, and not of the proxy, which connects from 127.0.0.1."""


@pytest.mark.parametrize("name", PROXIES)
async def test_a_proxy_names_the_client_and_a_client_cannot_name_another(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "touchline")
    site = Site.on_free_ports()
    admission = tomllib.loads(snippet("toml", 2).replace("10.0.0.0/24", "127.0.0.1"))["admission"]
    lie = {"X-Forwarded-For": "203.0.113.7"}
    async with site.edge(0, admission=admission), running_proxy(name, tmp_path, site) as proxy:
        where: dict[str, Any] = {"host": "127.0.0.1", "port": proxy.port, "ssl": proxy.tls, "server_hostname": HOST}
        where |= {"local_addr": (CLIENT_HOST, 0), "additional_headers": lie, "proxy": None}
        async with connect(f"wss://{HOST}/ws", origin=Origin(ORIGIN), **where) as opened:
            await Client(opened, JSON).greet()
    (line,) = log_lines(caplog, "connection_opened")
    assert line["peer"] == CLIENT_HOST


async def test_haproxy_passes_tls_and_names_the_client_by_the_proxy_protocol(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "touchline")
    site = Site.on_free_ports()
    admission = tomllib.loads(snippet("toml", 3).replace("10.0.0.5", "127.0.0.1"))["admission"]
    authority = Authority.at(tmp_path / "ca")
    pair = authority.issue(tmp_path / "pair", HOST)
    documented = tomllib.loads(snippet("toml", 1))["tls"]
    tls = dict(zip(documented, (str(pair.cert_file), str(pair.key_file)), strict=True))
    trust = ssl.create_default_context(cafile=str(authority.ca_file))
    trust.check_hostname = False  # openssl names it only in the subject
    async with (
        site.edge(0, admission=admission, tls=tls),
        running_proxy("haproxy", tmp_path, site, file="haproxy-tcp.cfg") as proxy,
    ):
        where: dict[str, Any] = {"host": "127.0.0.1", "port": proxy.port, "ssl": trust, "server_hostname": HOST}
        async with connect(f"wss://{HOST}/ws", local_addr=(CLIENT_HOST, 0), proxy=None, **where) as opened:
            await Client(opened, JSON).greet()
    (line,) = log_lines(caplog, "connection_opened")
    assert line["peer"].rpartition(":")[0] == CLIENT_HOST
