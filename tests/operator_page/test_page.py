"""The operator's page over a single process: the key, a slow client, a kick, a room, and each kind of screen."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from edge.players import AUTH, greet, player
from operator_page.board import DEADLINE_MS, PHONE, SEEN_MS, Board
from support.browser import open_page
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_protocol.messages import RoomRequest, Subscribe, Verdict
from touchline_server.control.page import FOLDER, PAGE_PATH

ROOM = "match:1"
OTHER_ROOM = "match:2"


@pytest_asyncio.fixture(loop_scope="session")
async def node() -> AsyncIterator[RunningNode]:
    async with running_node(auth=AUTH, api_keys=["secret"]) as node:
        yield node


async def test_the_page_asks_for_the_key_and_shows_nothing_without_it(node: RunningNode, browser: Browser) -> None:
    async with open_page(browser) as page:
        board = Board(page, node.node.control_port)
        await page.goto(board.url)
        await expect(page.locator("#sign-in")).to_be_visible()
        await board.sign_in("wrong")
        await expect(page.locator("#key-problem")).not_to_be_empty()
        await expect(page.locator("#board")).to_be_hidden()
        await board.sign_in("secret")
        await expect(page.locator("#board")).to_be_visible()
        await page.reload()
        await expect(page.locator("#board")).to_be_visible()
        await page.click("#forget")
        await expect(page.locator("#sign-in")).to_be_visible()
        assert await page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0


async def test_an_operator_sees_a_slow_client_kicks_a_player_and_watches_a_room(
    node: RunningNode, browser: Browser
) -> None:
    async with open_page(browser) as page, player(node, "ada") as (ada, _):
        board = Board(page, node.node.control_port)
        await board.open(key="secret")
        await expect(page.locator("#attention .good")).to_be_visible(timeout=DEADLINE_MS)
        await ada.join(ROOM)
        await expect(board.row("rooms", ROOM)).to_be_visible()
        async with node.raw(receive_bytes=4096) as slow:
            await slow.open()
            await slow.send(Subscribe(rooms=[RoomRequest(room=OTHER_ROOM)]))
            await eventually(lambda: node.node.viewers(OTHER_ROOM) == 1)
            for _ in range(40):
                await node.publish(OTHER_ROOM, "x" * 100_000)
            await eventually(lambda: bool(node.node.core.lagging))
            await expect(board.attention("slow")).to_be_visible(timeout=SEEN_MS)
            await expect(board.row("slow", OTHER_ROOM)).to_contain_text("127.0.0.1", timeout=SEEN_MS)

        async with player(node, "carl") as (carl, _):
            await carl.websocket.close()
        await expect(board.row("closes", "carl")).to_contain_text("normal")

        await page.click("#kick-any")
        await page.fill("#kick [name=player]", "ada")
        await page.fill("#kick [name=reason]", "please talk to support")
        await page.click("#kick .danger")
        await expect(page.locator("#kick")).to_be_hidden()
        verdict = await ada.expect(Verdict)
        assert (verdict.kind, verdict.reason) == ("ban", "please talk to support")
        assert await ada.closed() == (4503, "banned")
        await expect(board.row("closes", "ada")).to_contain_text("banned")
        async with node.client(greeted=False) as again:
            with pytest.raises(AssertionError):
                await greet(again, "ada")

        await page.fill("#watch-form input", ROOM)
        await page.click("#watch-form button")
        await node.publish(ROOM, {"home": 2}, key="score")
        await expect(board.row("room", "score")).to_contain_text('{"home":2}')
        await node.publish(ROOM, {"home": 3}, key="score")
        await expect(board.row("room", "score")).to_contain_text('{"home":3}')


async def test_a_key_that_cannot_be_sent_is_refused_and_spaces_around_one_are_not_part_of_it(
    node: RunningNode, browser: Browser
) -> None:
    async with open_page(browser) as page:
        board = Board(page, node.node.control_port)
        await page.goto(board.url)
        await board.sign_in("schlüssel")
        await expect(page.locator("#key-problem")).not_to_be_empty(timeout=DEADLINE_MS)
        await expect(page.locator("#key")).to_be_focused()
        await board.sign_in(" secret ")
        await expect(page.locator("#board")).to_be_visible(timeout=DEADLINE_MS)
        alone = "import('./charts.js').then((charts) => charts.isolated([1, null, 2, 3, undefined, 0, null]))"
        assert await page.evaluate(alone) == [0, 5], "values between gaps are drawn as points"


async def test_the_page_says_that_the_server_does_not_answer_and_goes_on_when_it_does(
    node: RunningNode, browser: Browser
) -> None:
    async with open_page(browser) as page:
        board = Board(page, node.node.control_port)
        await board.open(key="secret")
        await expect(page.locator("#attention .good")).to_be_visible(timeout=DEADLINE_MS)
        await page.route("**/v1/**", lambda route: route.abort())
        await expect(page.locator("#attention .bad")).to_be_visible(timeout=SEEN_MS)
        await page.click("#kick-any")
        await page.fill("#kick [name=player]", "ada")
        await page.click("#kick .danger")
        await expect(page.locator("#kick .problem")).not_to_be_empty()
        await page.unroute("**/v1/**")
        await expect(page.locator("#attention .good")).to_be_visible(timeout=SEEN_MS)
        await page.click("#kick .danger")
        await expect(page.locator("#kick")).to_be_hidden(timeout=DEADLINE_MS)


async def test_a_kick_does_not_shorten_a_verdict_and_a_single_process_is_not_drained(node: RunningNode) -> None:
    headers = {"Authorization": "Bearer secret"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.node.control_port}", headers=headers) as http:
        longer = {"player": "eve", "seconds": 600}
        assert (await http.post("/v1/players/kick", json=longer)).status_code == 200
        await eventually(lambda: node.node.standing("eve") is not None)
        shorter = await http.post("/v1/players/kick", json={"player": "eve", "seconds": 5})
        assert (shorter.status_code, shorter.json()["error"]["code"]) == (409, "verdict_stands")
        drained = await http.post("/v1/workers/drain", json={"worker": "edge-1"})
        assert (drained.status_code, drained.json()["error"]["code"]) == (409, "single_process")


async def test_nobody_is_kicked_where_there_are_no_players() -> None:
    async with running_node() as open_node, httpx.AsyncClient() as http:
        kick = f"http://127.0.0.1:{open_node.node.control_port}/v1/players/kick"
        refused = await http.post(kick, json={"player": "ada"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "players_unknown")


async def test_the_page_fits_each_screen_in_light_and_dark(node: RunningNode, browser: Browser) -> None:
    backgrounds = set()
    async with open_page(browser) as page, player(node, "player-" + "x" * 60) as (client, _):
        await client.join("match:" + "a-very-long-name-" * 6)
        async with player(node, "player-" + "x" * 60) as (other, _):
            await other.websocket.close()
        board = Board(page, node.node.control_port)
        await board.open(key="secret")
        await expect(board.row("rooms", "a-very-long-name")).to_be_visible()
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            backgrounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert await board.overflow_px() == 0
            for row in (board.row("rooms", "a-very-long-name"), board.row("closes", "player-xxx")):
                button = await row.get_by_role("button").bounding_box()
                assert button is not None
                assert button["x"] + button["width"] <= PHONE["width"]
            for chart in ("deliveries", "latency", "connections"):
                await expect(page.locator(f"#chart-{chart} canvas")).to_be_visible()
    assert len(backgrounds) == 2


async def test_every_file_comes_with_its_policy_and_nothing_else_is_served(node: RunningNode) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.node.control_port}") as http:
        files = [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()]
        assert "index.html" in files
        answers = await asyncio.gather(*(http.get(f"{PAGE_PATH}/{name}") for name in ["", *files]))
        for answer in answers:
            assert answer.status_code == 200
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert (await http.get(PAGE_PATH)).headers["location"].endswith(f"{PAGE_PATH.removeprefix('/')}/")
        for path in ("__init__.py", "%2e%2e/__init__.py", "..%2f__init__.py", "nothing.js"):
            answer = await http.get(f"{PAGE_PATH}/{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
