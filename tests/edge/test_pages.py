"""Pages that must not use an edge: of foreign sites, and of foreign sites under a name that leads to this machine."""

import json

import pytest

from edge.players import GATED, token
from edge.streams import request, response_to, target_of
from support.browser import launched_browser, open_page
from support.log_lines import log_lines
from support.node_fixture import RunningNode, running_node
from touchline_protocol.messages import Hello, Welcome

STATUSES = """
async paths => Object.fromEntries(await Promise.all(paths.map(async path => [path, (await fetch(path)).status])))
"""

CONNECTS = """
url => new Promise(resolve => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve(true);
    socket.onerror = () => resolve(false);
})
"""


async def refused(node: RunningNode, host: str, origin: str) -> str:
    """The body of the 403 that a WebSocket gets."""
    async with node.raw() as client:
        await client.request(headers={"Host": host, "Origin": origin})
        assert await client.status() == 403
        return (client._received + await client.read_all()).decode()


async def test_a_page_whose_name_leads_here_is_not_of_the_same_host(
    node: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    body = await refused(node, "evil.example:8080", "http://evil.example:8080")
    assert all(part in body for part in ("host_refused", "evil.example", "hosts"))
    (line,) = log_lines(caplog, "page_refused")
    assert (line["code"], line["host"], line["origin"]) == (
        "host_refused",
        "evil.example:8080",
        "http://evil.example:8080",
    )


async def test_behind_a_proxy_that_does_not_pass_the_host_the_refusal_says_why(
    node: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    origin, host = "https://live.example.org", f"{node.host}:{node.port}"
    body = await refused(node, host, origin)
    assert all(part in body for part in ("origin_refused", origin, host, "proxy", "origins"))
    streamed = await response_to(node, request(target_of(), {"Host": host, "Origin": origin}))
    assert (streamed.status, streamed.error["code"]) == (403, "origin_refused")
    assert all(part in streamed.error["message"] for part in (origin, host, "proxy"))
    assert [(line["code"], line["origin"], line["host"]) for line in log_lines(caplog, "page_refused")] == [
        ("origin_refused", origin, host)
    ] * 2


async def test_behind_a_proxy_with_tls_that_passes_the_host_nothing_has_to_be_set(node: RunningNode) -> None:
    headers = {"Host": "live.example.org", "Origin": "https://live.example.org"}
    async with node.raw() as client:
        await client.request(headers=headers)
        assert await client.status() == 101
    for sent in (headers, {"Host": "live.example.org", "Sec-Fetch-Site": "same-origin"}):
        async with node.raw() as client:
            await client.send_bytes(request(target_of(), sent))
            assert await client.status() == 200


async def test_where_every_client_needs_a_token_any_name_will_do() -> None:
    async with running_node(auth=GATED) as node, node.raw() as client:
        await client.request(headers={"Host": "evil.example:8080", "Origin": "http://evil.example:8080"})
        assert await client.status() == 101
        await client.send(Hello(token=token()))
        assert isinstance(await client.next(), Welcome)


async def test_in_a_browser_a_name_that_leads_here_opens_nothing() -> None:
    """The browser resolves evil.example to this machine, as after an attacker's name server has changed its answer."""
    async with (
        running_node() as node,
        launched_browser("--host-resolver-rules=MAP evil.example 127.0.0.1") as browser,
        open_page(browser) as page,
    ):
        await node.publish("score:1", "secret", key="k")
        read = ["/readyz", "/v1/rooms/score:1"]
        streams = [target_of()]
        found = {}
        for host in ("evil.example", "127.0.0.1"):
            await page.goto(f"http://{host}:{node.node.control_port}/healthz")
            found[host] = await page.evaluate(STATUSES, read)
            found[host]["connects"] = await page.evaluate(CONNECTS, f"ws://{host}:{node.port}/ws")
            await page.goto(f"http://{host}:{node.port}/")  # the 404 there is a page as good as any
            found[host] |= await page.evaluate(STATUSES, streams)
        names = [*read, *streams]
        assert found["evil.example"] == dict.fromkeys(names, 403) | {"connects": False}, json.dumps(found)
        assert found["127.0.0.1"] == dict.fromkeys(names, 200) | {"connects": True}, json.dumps(found)
