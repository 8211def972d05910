"""HTTP/2 in front of edges, through the proxies of deploy/proxies/: event streams, and WebSockets (RFC 8441)."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.image import CACHE, ROOT
from proxies.running_proxy import HOST, ORIGIN, PROXIES, RunningProxy, Site, running_proxy
from support.waiting import DEADLINE_S

pytestmark = pytest.mark.long

CLIENT = ROOT / "tests/deploy/http2_client.py"
PAGE = (ROOT / "docs/proxies.md").read_text("utf-8")


@contextlib.asynccontextmanager
async def output_of(*command: str | Path, home: Path) -> AsyncIterator[asyncio.StreamReader]:
    """What a program writes, which is ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=os.environ | {"HOME": str(home), "CURL_HOME": str(home)}
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def opened(proxy: RunningProxy, home: Path) -> contextlib.AbstractAsyncContextManager[asyncio.StreamReader]:
    """A client that asks for a WebSocket over HTTP/2."""
    return output_of(CACHE / "venv/bin/python", CLIENT, str(proxy.port), HOST, proxy.certificate, home=home)


async def learned(output: asyncio.StreamReader) -> Any:
    """The next line of a client."""
    return json.loads(await output.readline())


@pytest.mark.parametrize("name", PROXIES)
async def test_an_event_stream_arrives_event_by_event_over_http2(name: str, tmp_path: Path) -> None:
    site = Site.on_free_ports()
    async with site.edge(0) as node, running_proxy(name, tmp_path, site) as proxy:
        stream = f"https://{HOST}/v1/rooms/score:1/events"
        curl = ["curl", "--http2", "--no-buffer", "--silent", "--include", "--header", f"Origin: {ORIGIN}", stream]
        curl += ["--cacert", str(proxy.certificate), "--connect-to", f"{HOST}:443:127.0.0.1:{proxy.port}"]
        async with output_of(*curl, home=tmp_path) as output:
            assert (await output.readline()).split() == [b"HTTP/2", b"200"]
            await output.readuntil(b"subscribed")
            await node.publish("score:1", "goal")
            await output.readuntil(b'"goal"')


async def test_a_websocket_is_opened_over_http2_through_haproxy(tmp_path: Path) -> None:
    site = Site.on_free_ports()
    async with (
        site.edge(0) as node,
        running_proxy("haproxy", tmp_path, site) as proxy,
        opened(proxy, tmp_path) as output,
    ):
        assert await learned(output) == {"alpn": "h2", "announced": True}
        assert await learned(output) == {"status": "200", "subprotocol": "touchline.v1.json"}
        assert [(await learned(output))["type"] for _ in range(2)] == ["welcome", "subscribed"]
        await node.publish("score:1", "goal")
        assert (await learned(output))["data"] == "goal"


@pytest.mark.parametrize("name", [each for each in PROXIES if each != "haproxy"])
async def test_other_proxies_do_not_announce_it_so_browsers_use_http1(name: str, tmp_path: Path) -> None:
    site = Site.on_free_ports()
    async with site.edge(0), running_proxy(name, tmp_path, site) as proxy, opened(proxy, tmp_path) as output:
        assert await learned(output) == {"alpn": "h2", "announced": False}


def test_the_page_says_which_proxy_does_what() -> None:
    section = PAGE.partition("\n## HTTP/2\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (nginx|HAProxy|Caddy) \| yes \| (yes|no)", section, re.MULTILINE)
    assert rows == [("nginx", "no"), ("HAProxy", "yes"), ("Caddy", "no")]
