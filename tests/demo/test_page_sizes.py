"""The page at many sizes of its window: a phone, a tablet, a laptop, a large screen, upright, sideways, zoomed."""

from itertools import combinations
from typing import Any

import pytest
from playwright.async_api import Page, expect

from demo.scripted_edge import ScriptedEdge
from demo.test_page_quality import show_everything
from support.browser import WIDE

SIZES = (
    *((320, 568), (360, 640), (390, 844), (430, 932), (600, 960), (700, 900), (768, 1024), (820, 1180), (899, 1200)),
    *((568, 320), (667, 375), (844, 390), (932, 430)),  # phones held sideways
    *((640, 400), (683, 384), (512, 384), (320, 256)),  # laptops at a zoom of 200 and of 400 %
    *((900, 600), (900, 700), (900, 900), (1000, 700), (1024, 768), (1024, 1366), (1100, 800), (1179, 700)),
    *((1180, 660), (1180, 820), (1280, 600), (1280, 700), (1280, 800), (1366, 650), (1440, 900), (1920, 1080)),
)
PITCH_RATIO = 126 / 92
DRAWING_RATIO = 123.2 / 80
"""The ratio of the lines drawn on the pitch, goals included, in yards."""
PITCH_HEIGHT_MIN = 200

PANELS = (".bar", ".matches", ".scoreboard", ".ground", ".momentum", ".game", ".timeline", "#panel", "footer")
PARTS = (".bar > *", ".figures > *", ".scoreboard > *", ".momentum > *", ".game > *", "#panel > *")
MEASURE = """([panels, parts]) => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const box = (element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return [left, top, right, bottom];
  };
  const isShown = (element) => Boolean(element?.getClientRects().length);
  const shown = panels.map((name) => [name, document.querySelector(name)]).filter(([, element]) => isShown(element));
  const isOutside = (element) => {
    const [left, top, right, bottom] = box(element);
    const [outerLeft, outerTop, outerRight, outerBottom] = box(element.parentElement.closest(panels.join()));
    return left < outerLeft - 1 || top < outerTop - 1 || right > outerRight + 1 || bottom > outerBottom + 1;
  };
  const outside = [...document.querySelectorAll(parts.join())].filter(isShown).filter(isOutside);
  const lines = box(document.querySelector("#pitch .lines"));
  resolve({
    width: document.documentElement.scrollWidth,
    boxes: Object.fromEntries(shown.map(([name, element]) => [name, box(element)])),
    lines: [lines[2] - lines[0], lines[3] - lines[1]],
    outside: outside.map((element) => element.id || element.className),
  });
})))"""
"""The boxes of the panels that are shown, and the parts that are not within their panel."""

LONGEST_NAMES = (
    "Llanfairpwllgwyngyllgogerychwyrndrobwll Athletic",
    "Borussia Verein f\u00fcr Leibes\u00fcbungen M\u00f6nchengladbach",
)


async def fill(edge: ScriptedEdge, matches: int = 3, bots: int = 3) -> None:
    """Everything that the page can show, in its longest form."""
    await show_everything(edge)
    edge.matches = [str(number + 1) for number in range(matches)]
    for match in edge.matches:
        sides = zip(("home", "away"), LONGEST_NAMES, (17, 123), strict=True)
        await edge.publish(f"score:{match}", {side: {"name": name, "goals": n} for side, name, n in sides}, key="score")
        period = {"number": 4, "name": "Extra time, second half", "playing": True}
        await edge.publish(f"score:{match}", period, key="period")
        await edge.publish(f"score:{match}", {"period": 4, "minute": 121, "second": 3}, key="clock")
    starts = ((1, 0), (2, 45), (3, 90), (4, 105))
    halves = [{"number": number, "first_minute": minute, "home": [9, 0] * 8} for number, minute in starts]
    await edge.publish("stats:1", {"periods": [half | {"away": [0, 5] * 8} for half in halves]}, key="momentum")
    await edge.publish("cheer:1", {"home": 1_234_567, "away": 99_999}, key="cheers")
    for number in range(bots):
        bot = {"player": f"bot-reflexes-{number}", "cheat": "joins waves instantly", "done": 143, "refused": 248}
        bot |= {"ended": "banned", "close": 4503, "verdict": {"kind": "ban", "until": None}}
        await edge.publish("cheatwatch:demo", bot, key=f"bot.{bot['player']}")


async def show(edge: ScriptedEdge, page: Page, bots: int) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(f"{edge.url}#1")
    await expect(page.locator("#bots li")).to_have_count(bots)
    await expect(page.locator("#findings li")).to_have_count(1)
    await expect(page.locator("#list li")).to_have_count(2)
    await edge.send({"type": "occupancy", "room": "match:1", "viewers": 123_456, "complete": True})
    await expect(page.locator("#watchers")).to_contain_text("123,456")


async def test_at_each_size_all_panels_have_their_place_and_the_pitch_its_shape(edge: ScriptedEdge, page: Page) -> None:
    await fill(edge)
    await show(edge, page, bots=4)
    wrong = {}
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        if found := faults(await page.evaluate(MEASURE, [PANELS, PARTS]), width):
            wrong[width, height] = found
    assert wrong == {}


def faults(page: dict[str, Any], width: int) -> list[str]:
    """What is wrong with a page of a width."""
    found = [f"{part} is outside of its panel" for part in page["outside"]]
    if page["width"] > width:
        found.append(f"the page is {page['width']} pixels wide")
    if page["lines"][0] / page["lines"][1] != pytest.approx(DRAWING_RATIO, rel=0.01):
        found.append(f"the pitch is drawn as {page['lines']}")
    left, top, right, bottom = page["boxes"][".ground"]
    if bottom - top < min(PITCH_HEIGHT_MIN, (right - left) / PITCH_RATIO - 1):
        found.append(f"the pitch is {bottom - top} pixels high")
    pairs = combinations(page["boxes"].items(), 2)
    return found + [f"{one} is over {other}" for (one, a), (other, b) in pairs if overlap(a, b)]


def overlap(a: list[float], b: list[float]) -> bool:
    """Whether two boxes (left, top, right, bottom) share more than a rounded edge."""
    return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1


@pytest.mark.parametrize("bots", [3, 12])
async def test_a_finding_is_seen_below_the_bots(edge: ScriptedEdge, page: Page, bots: int) -> None:
    """On a laptop, with three matches."""
    await fill(edge, bots=bots)
    await show(edge, page, bots + 1)
    panel = await page.locator("#panel").bounding_box()
    finding = await page.locator("#findings li").first.bounding_box()
    assert panel is not None
    assert finding is not None
    assert finding["y"] + finding["height"] <= panel["y"] + panel["height"] <= WIDE["height"]
