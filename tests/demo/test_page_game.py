"""The game and the panel on the demo's page in a real browser: with the whole demo, and with a scripted edge."""

import asyncio
import time
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from demo.running_demo import DEADLINE_S, RunningDemo
from demo.scripted_edge import ScriptedEdge, acked
from support.browser import open_page
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, encode_verdict
from touchline_server.core.log import Entry

ROOM = "cheer:1"
PANEL = "cheatwatch:demo"

expect.set_options(timeout=DEADLINE_S * 1000)


async def token(route: Route) -> None:
    await route.fulfill(json={"token": "ada"})


async def play(edge: ScriptedEdge, page: Page) -> None:
    """Open a match's page as the player ada."""
    edge.matches = ["1"]
    teams = {"home": {"name": "Alder Vale", "goals": 1}, "away": {"name": "Birch End", "goals": 0}}
    await edge.publish("score:1", teams, key="score")
    await page.route("**/demo/token", token)
    await page.goto(edge.url)
    await expect(page.locator("#word")).to_contain_text("You play as ada")
    await edge.until(lambda: bool(edge.subscribes(ROOM)))


def done(edge: ScriptedEdge, kind: str) -> list[Any]:
    return [message["data"] for message in edge.received if message["type"] == "action" and message["kind"] == kind]


async def press(page: Page, button: str) -> None:
    """Press a button that is marked as disabled. Playwright would wait until it is not."""
    await page.locator(button).dispatch_event("click")


async def test_a_cheer_is_seen_by_everybody_and_by_later_visitors(
    demo: RunningDemo, browser: Browser, page: Page
) -> None:
    async with open_page(browser) as other:
        for one in (page, other):
            await one.goto(f"{demo.page}#{demo.match_id}")
            await expect(one.locator("#word")).to_contain_text("You play as")
        await page.locator("#cheer-home").click()
        await page.locator("#cheer-home").press("Enter")
        await other.locator("#cheer-away").click()
        for one in (page, other):
            await expect(one.locator("#cheer-home .cheer-count")).to_have_text("2")
            await expect(one.locator("#cheer-away .cheer-count")).to_have_text("1")
        assert await page.locator("#word").text_content() != await other.locator("#word").text_content()
        await other.reload()
        await expect(other.locator("#cheer-home .cheer-count")).to_have_text("2")
        await expect(other.locator("#panel-counts")).to_have_text("3 actions judged, 0 findings")


async def test_a_bot_is_started_watched_found_and_banned(demo: RunningDemo, page: Page) -> None:
    await page.goto(f"{demo.page}#{demo.match_id}")
    await page.get_by_role("button", name="taps too fast").click()
    bot = page.locator("#bots li")
    await expect(bot).to_contain_text("bot-fast-1")
    await expect(page.locator("#cheer-away .cheer-count")).not_to_have_text("0")
    await expect(page.locator("#findings li").last).to_contain_text("bot-fast-1 broke “rate”")
    await expect(page.locator("#findings li").last).to_contain_text("muted for 5 s")
    await expect(bot.locator(".chip")).to_have_text("muted")
    await expect(bot.locator(".counts")).to_contain_text("refused")
    await expect(bot.locator(".chip")).to_have_text("banned, closed with 4503", timeout=2 * DEADLINE_S * 1000)
    await expect(page.locator("#findings .chip")).to_have_text(["banned", "muted for 5 s", "muted for 5 s"])
    await page.reload()
    await expect(page.locator("#findings .chip")).to_have_text(["banned", "muted for 5 s", "muted for 5 s"])
    await expect(page.locator("#status")).to_have_text("live")


async def test_a_player_who_taps_too_fast_is_muted_and_can_continue_later(demo: RunningDemo, page: Page) -> None:
    await page.goto(f"{demo.page}#{demo.match_id}")
    await expect(page.locator("#word")).to_contain_text("You play as")
    await page.evaluate("window.mad = setInterval(() => document.getElementById('cheer-home').click(), 25)")
    await expect(page.locator("#word")).to_contain_text("Your cheers don't count for a few seconds")
    await expect(page.locator("#cheer-home")).to_have_attribute("aria-disabled", "true")
    await page.evaluate("clearInterval(mad)")
    await expect(page.locator("#word")).to_contain_text("You play as")
    before = int(await page.locator("#cheer-home .cheer-count").inner_text())
    await page.locator("#cheer-home").click()
    await expect(page.locator("#cheer-home .cheer-count")).to_have_text(str(before + 1))


async def test_the_page_of_a_banned_player_shows_it_and_stays_away(demo: RunningDemo, page: Page) -> None:
    await page.goto(f"{demo.page}#{demo.match_id}")
    await expect(page.locator("#word")).to_contain_text("You play as")
    player = (await page.locator("#word").inner_text()).split("You play as ")[1].split(".")[0]
    verdict = VerdictRecord(kind="ban", reason="Nobody likes you.")
    entry = Entry(player.encode(), encode_verdict(verdict), VERDICT_HEADERS)
    await demo.demo.node.log.append("cheat-verdicts", [entry])
    await expect(page.locator("#word")).to_contain_text("Nobody likes you.")
    await expect(page.locator("#status")).to_contain_text("4503")
    await page.reload()
    await expect(page.locator("#word")).to_contain_text("You play as")


async def test_a_wave_can_be_joined_while_it_rolls_and_names_its_offset(edge: ScriptedEdge, page: Page) -> None:
    await play(edge, page)
    wave = page.locator("#wave")
    await press(page, "#wave")
    await edge.publish(ROOM, {"number": 1, "ms": 60_000}, key="wave", kept_back=True)
    event = await edge.publish(ROOM, {"number": 2, "ms": 60_000}, key="wave", kept_back=True)
    await edge.send(event | {"prev": None}, ROOM)
    await expect(wave).to_have_attribute("aria-disabled", "false")
    await wave.click()
    await press(page, "#wave")
    await edge.publish(ROOM, {"number": 2, "players": 17}, key="joined")
    await expect(wave).to_contain_text("17 joined")
    await expect(wave).to_have_attribute("aria-disabled", "true")
    assert done(edge, "wave") == [{"offset": event["offset"]}]


async def test_a_wave_that_began_before_the_page_was_opened_cannot_be_joined(edge: ScriptedEdge, page: Page) -> None:
    await edge.publish(ROOM, {"number": 1, "ms": 60_000}, key="wave")
    await edge.publish(ROOM, {"home": 3, "away": 4_000}, key="cheers")
    await play(edge, page)
    await expect(page.locator("#cheer-away")).to_contain_text("4,000")
    await expect(page.locator("#wave")).to_have_attribute("aria-disabled", "true")


@pytest.mark.parametrize("wrong_by_h", [0, -1, 1])
async def test_a_mute_ends_by_itself_whatever_the_visitors_clock_shows_and_a_pardon_ends_it_sooner(
    wrong_by_h: int, edge: ScriptedEdge, page: Page
) -> None:
    await page.add_init_script(f"const right = Date.now; Date.now = () => right() + {wrong_by_h} * 3600e3")
    await play(edge, page)
    cheer, word = page.locator("#cheer-home"), page.locator("#word")
    mute = {"type": "verdict", "kind": "mute", "reason": "Too fast."}
    await edge.send(mute | {"until": round(time.time() * 1000) + 2_000})
    await expect(word).to_have_text("Too fast. Your cheers don't count for a few seconds.")
    await expect(word).to_contain_text("You play as ada")
    await edge.send(mute)
    await expect(word).to_have_text("Too fast. Your cheers don't count.")
    await press(page, "#cheer-home")
    await edge.send({"type": "verdict", "kind": "pardon", "reason": ""})
    await expect(word).to_contain_text("You play as ada")
    await cheer.click()
    await edge.until(lambda: bool(done(edge, "tap")))
    assert done(edge, "tap") == [{"team": "home"}]


async def test_a_refusal_is_shown_in_words(edge: ScriptedEdge, page: Page) -> None:
    await play(edge, page)
    refusal = {"type": "nack", "code": "action_invalid", "message": "no such team"}
    edge.answer_action = lambda action: [refusal | {"id": action["id"]}]
    await page.locator("#cheer-home").click()
    await expect(page.locator("#word")).to_contain_text("no such team")
    edge.answer_action = acked
    await expect(page.locator("#word")).to_contain_text("You play as ada")


async def test_the_panel_shows_text_as_text_and_ignores_data_of_other_shapes(edge: ScriptedEdge, page: Page) -> None:
    name = "<img src=x onerror=alert(1)>"
    shapes: list[Any] = [None, 7, "text", [], {}]
    for data in shapes:
        for key in ("counts", "finding.0", "bot.x", "another"):
            await edge.publish(PANEL, data, key=key)
    await play(edge, page)
    await edge.publish(PANEL, {"player": name, "rule": name, "evidence": {"n": name}}, key="finding.1")
    bot = {"player": name, "cheat": name, "done": 1, "refused": 0, "verdict": None, "ended": None, "close": None}
    await edge.publish(PANEL, bot, key="bot.y")
    await expect(page.locator("#findings b").first).to_have_text(name)
    await expect(page.locator("#bots b").last).to_have_text(name)
    await edge.publish(PANEL, None, key="bot.y")
    await expect(page.locator("#bots b").filter(has_text=name)).to_have_count(0)


@pytest.mark.parametrize("ended", ["banned, closed with 4503", "the bot gave up after a long time, closed with 4503"])
async def test_on_a_phone_nothing_in_the_panel_covers_anything_else(edge: ScriptedEdge, page: Page, ended: str) -> None:
    await page.set_viewport_size({"width": 393, "height": 727})
    verdict = {"kind": "ban", "until": None}
    bot = {"player": "bot-reflexes-12", "cheat": "taps like clockwork", "done": 144, "refused": 250}
    await edge.publish(PANEL, bot | {"verdict": verdict, "ended": ended[:-18], "close": 4503}, key="bot.x")
    await play(edge, page)
    await expect(page.locator("#bots .chip")).to_have_text(ended)
    boxes = [await part.bounding_box() for part in await page.locator("#bots li > *").all()]
    assert len(boxes) == 4
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            assert one is not None
            assert other is not None
            beside = one["x"] >= other["x"] + other["width"] or other["x"] >= one["x"] + one["width"]
            below = one["y"] >= other["y"] + other["height"] or other["y"] >= one["y"] + one["height"]
            assert beside or below, (one, other)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_on_a_phone_buttons_are_large_enough_for_a_finger(edge: ScriptedEdge, page: Page) -> None:
    await page.set_viewport_size({"width": 393, "height": 727})
    await edge.publish(PANEL, {"actions": 0}, key="counts")
    await play(edge, page)
    await expect(page.locator("#cheer-home")).to_be_visible()
    buttons = [button for button in await page.locator("button, .toggle").all() if await button.is_visible()]
    assert len(buttons) >= 7
    for button in buttons:
        box = await button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, await button.inner_text()


async def test_if_the_server_gives_no_token_the_page_watches(edge: ScriptedEdge, page: Page) -> None:
    edge.matches = ["1"]
    await page.goto(edge.url)
    await expect(page.locator("#status")).to_have_text("live")
    await expect(page.locator("#cheer-home")).to_have_attribute("aria-disabled", "true")
    await press(page, "#cheer-home")
    await edge.until(lambda: bool(edge.subscribes(ROOM)))
    assert edge.actions() == []
    assert all("token" not in message for message in edge.received)


async def test_the_page_shows_why_no_bot_can_be_started(demo: RunningDemo, page: Page) -> None:
    await page.goto(f"{demo.page}#{demo.match_id}")
    await page.get_by_role("button", name="reacts instantly").click()
    await expect(page.locator("#bots li")).to_have_count(1)
    async with asyncio.timeout(DEADLINE_S):
        while not (word := await page.locator("#bots-word").inner_text()):
            await page.get_by_role("button", name="reacts instantly").click()
    assert "wait" in word  # it may be gone a moment later
    await expect(page.locator("#bots-word")).to_be_empty()  # it is over, and says so no longer
