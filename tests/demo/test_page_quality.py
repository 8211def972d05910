"""What visitors do not see, and would miss: access for everyone, nothing that jumps, smooth motion, a quick start."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Browser, CDPSession, Page, expect

from demo.scripted_edge import ScriptedEdge
from demo.test_page_live import PHONE, goal, happened, kick_off, score
from support.browser import WIDE, open_page

ROOT = Path(__file__).parents[2]
FIRST_PAINT_MS_MAX = 1_000
EVENTS_PER_S = 100
FLOOD_S = 5
FRAME_S_MAX = 1 / 60

VIOLATIONS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}"""

WATCH_SHIFTS = """
  window.shifts = [];
  const isRow = ({ node }) => Boolean(node?.closest?.("#list, #findings"));
  const place = ({ node, previousRect: from, currentRect: to }) =>
    [node?.id || node?.className || String(node), from.x, from.y, to.x, to.y];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (!hadRecentInput && !sources.every(isRow)) shifts.push([value, sources.map(place)]);
    }
  }).observe({ type: "layout-shift", buffered: true });
"""
"""Rows of the timeline and of the findings move down as newer ones arrive: that is what such a list is."""

SHIFT_MAX = 0.002
"""A share of the screen, times how far it moved. Up to 0.1 counts as good; a word that is centred anew is 0.0001."""

COUNT_FRAMES = """seconds => new Promise((resolve) => {
  let frames = 0;
  const end = performance.now() + seconds * 1000;
  requestAnimationFrame(function count(now) {
    frames += 1;
    if (now < end) requestAnimationFrame(count);
    else resolve(frames);
  });
})"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, whose version is in the lock of clients/."""
    subprocess.run([ROOT / "scripts" / "install_js.sh"], capture_output=True, check=True)
    return (ROOT / "clients" / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


async def show_everything(edge: ScriptedEdge) -> None:
    """A match, stats, cheers, a verdict, a bot and a finding: each part of the page has something to show."""
    await kick_off(edge, "1", "2")
    await edge.publish("score:1", goal(1, 0), key="last_goal")
    await edge.publish("match:1", happened("Pass", 7, location=[60, 40]) | {"pass": {"end_location": [80, 30]}})
    await edge.publish("match:1", happened("Shot", 8, location=[110, 40], shot={"outcome": {"name": "Goal"}}))
    half = {"number": 1, "first_minute": 0, "home": [0, 50, 9], "away": [30, 0, 0]}
    await edge.publish("stats:1", {"periods": [half]}, key="momentum")
    card = {"kind": "card", "period": 1, "minute": 2, "team": "Birch End", "player": "Cy Wood"}
    await edge.publish("stats:1", {"moments": [card]}, key="moments")
    await edge.publish("cheer:1", {"home": 3, "away": 4}, key="cheers")
    bot = {"player": "bot-fast-1", "cheat": "taps too fast", "done": 48, "refused": 2, "ended": None, "close": None}
    await edge.publish("cheatwatch:demo", bot | {"verdict": {"kind": "mute", "until": None}}, key="bot.bot-fast-1")
    finding = {"player": "bot-fast-1", "rule": "rate", "evidence": {"actions": 48, "seconds": 2}}
    await edge.publish("cheatwatch:demo", finding | {"verdict": {"kind": "ban", "until": None}}, key="finding.0")
    await edge.publish("cheatwatch:demo", {"actions": 48, "findings": 1}, key="counts")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_use_the_page(edge: ScriptedEdge, page: Page, axe: str, theme: str) -> None:
    """Axe checks names, roles, contrast, headings and landmarks, on a desktop and on a phone."""
    await show_everything(edge)
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    await page.goto(edge.url)
    await page.evaluate(axe)
    await expect(page.locator("#list li")).to_have_count(2)
    await expect(page.locator("#findings li")).to_have_count(1)
    assert await page.evaluate(VIOLATIONS) == []
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await page.evaluate("location.hash = ''")
    await expect(page.locator(".card").first).to_be_visible()
    assert await page.evaluate(VIOLATIONS) == []
    await page.locator(".card").first.click()
    await expect(page.locator("#back")).to_be_visible()
    assert await page.evaluate(VIOLATIONS) == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desktop", "phone"])
async def test_nothing_moves_that_the_visitor_did_not_move(
    edge: ScriptedEdge, browser: Browser, size: dict[str, int]
) -> None:
    async with open_page(browser) as page:
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        await page.add_init_script(WATCH_SHIFTS)
        await show_everything(edge)
        await page.goto(f"{edge.url}#1")
        await expect(page.locator("#list li")).to_have_count(2)
        await edge.send({"type": "occupancy", "room": "match:1", "viewers": 4711, "complete": True})
        await edge.publish("score:1", score(1, 1), key="score")
        await edge.publish("score:1", goal(1, 1), key="last_goal")
        for minute in range(9, 30):
            await edge.publish("match:1", happened("Carry", minute))
        await edge.publish("cheer:1", {"number": 1, "ms": 60_000}, key="wave")
        await edge.publish("cheer:1", {"number": 1, "players": 12}, key="joined")
        await expect(page.locator("#list li")).to_have_count(23)
        await edge.disconnect()
        await edge.until(lambda: edge.connected == 2)
        await expect(page.locator("#status")).to_have_text("live")
        shifts = await page.evaluate("shifts")
        assert sum(value for value, _ in shifts) < SHIFT_MAX, shifts


@pytest.mark.long
async def test_the_page_is_painted_within_a_second(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await expect(page.locator("#status")).to_have_text("live")
    paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < FIRST_PAINT_MS_MAX


async def test_everything_can_be_done_by_keyboard(edge: ScriptedEdge, page: Page) -> None:
    """A match is opened, its heading gets the focus, and the game, the train and the timeline are reached."""
    await show_everything(edge)
    await page.route("**/demo/token", lambda route: route.fulfill(json={"token": "ada"}))
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await page.goto(edge.url)
    await expect(page.locator(".card")).to_have_count(2)
    await page.locator(".card").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#detail-heading")).to_be_focused()
    reached = await tab_through(page, 12)
    game = ["cheer-home", "wave", "cheer-away"]
    assert [name for name in reached if name in game] == game
    assert {"key-only", "list", "findings"} <= set(reached)
    await page.locator("#cheer-home").focus()
    await page.keyboard.press("Space")
    await expect(page.locator("#acks")).to_contain_text("1 of 1 acknowledged")
    await page.locator("#back").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".card").first).to_be_focused()


async def tab_through(page: Page, times: int) -> list[str]:
    """The ids of what gets the focus."""
    reached = []
    for _ in range(times):
        await page.keyboard.press("Tab")
        reached.append(str(await page.evaluate("document.activeElement.id")))
    return reached


async def test_each_tap_is_shown_as_acknowledged_or_still_on_its_way(edge: ScriptedEdge, page: Page) -> None:
    edge.answer_action = lambda action: [{"type": "ack", "id": 1}] if action["id"] == 1 else []
    await kick_off(edge, "1")
    await page.route("**/demo/token", lambda route: route.fulfill(json={"token": "ada"}))
    await page.goto(edge.url)
    await expect(page.locator("#cheer-home")).to_have_attribute("aria-disabled", "false")
    await page.locator("#cheer-home").click()
    await expect(page.locator("#acks")).to_contain_text("1 of 1 acknowledged")
    await page.locator("#cheer-home").click()
    await expect(page.locator("#acks")).to_contain_text("1 on the way")
    await expect(page.locator("#acks")).to_have_attribute("data-waiting", "1")


async def test_in_a_tunnel_the_page_is_offline_and_afterwards_it_catches_up(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await edge.until(lambda: bool(edge.subscribes("match:1")))
    await edge.publish("match:1", happened("Carry", 1))
    await expect(page.locator("#list li")).to_have_count(1)
    await page.get_by_role("radio", name="Tunnel").check(force=True)
    await expect(page.locator("#status")).to_have_text("offline")
    await edge.until(lambda: not edge.connections)
    for minute in (2, 3, 4):
        await edge.publish("match:1", happened("Carry", minute))
    await page.get_by_role("radio", name="Off").check(force=True)
    await expect(page.locator("#status")).to_have_text("live")
    await expect(page.locator("#list .minute")).to_have_text(["4'", "3'", "2'", "1'"])
    await expect(page.locator("#caught-up")).to_contain_text("Caught up on 3 events")
    await expect(page.locator("#gaps")).to_have_text("0")


async def test_on_a_slow_train_events_come_late_and_in_order_and_then_all_at_once(
    edge: ScriptedEdge, page: Page
) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await edge.until(lambda: bool(edge.subscribes("match:1")))
    await page.get_by_role("radio", name="Slow").check(force=True)
    for minute in range(1, 21):
        await edge.publish("match:1", happened("Carry", minute) | {"note": "x" * 700})  # a second each
    await expect(page.locator("#status")).to_contain_text("behind")
    assert await page.locator("#list li").count() < 20
    await page.get_by_role("radio", name="Off").check(force=True)
    await expect(page.locator("#list .minute")).to_have_text([f"{minute}'" for minute in range(20, 0, -1)])
    await expect(page.locator("#status")).to_have_text("live")
    assert edge.connected == 1


@pytest.mark.long
async def test_a_frame_at_a_hundred_events_a_second_leaves_room_for_sixty_in_a_second(
    edge: ScriptedEdge, page: Page
) -> None:
    """The page's thread is measured in its own time: on a machine that is busy otherwise, there are fewer frames."""
    await show_everything(edge)
    await page.goto(f"{edge.url}#1")
    await expect(page.locator("#list li")).to_have_count(2)
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = await busy_s(devtools)
    frames = asyncio.ensure_future(page.evaluate(COUNT_FRAMES, FLOOD_S))
    await flood(edge)
    drawn = await frames
    assert drawn >= FLOOD_S
    assert (await busy_s(devtools) - before) / drawn < FRAME_S_MAX
    await expect(page.locator("#list li").first).to_contain_text(f"{EVENTS_PER_S * FLOOD_S - 1}'")


async def busy_s(devtools: CDPSession) -> float:
    """How long the page's thread has been at work so far."""
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


async def flood(edge: ScriptedEdge) -> None:
    """Publish events at an even rate: play that moves the ball, so that everything on the page has something to do."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    for number in range(EVENTS_PER_S * FLOOD_S):
        x, y = number * 7 % 120, number * 13 % 80
        event = happened("Pass", number, location=[x, y]) | {"pass": {"end_location": [120 - x, 80 - y]}}
        await edge.publish("match:1", event)
        await asyncio.sleep(begun_s + number / EVENTS_PER_S - loop.time())
