"""The address of the demo's page: it names the open match, and the browser's own buttons move between matches."""

from playwright.async_api import Page, expect

from demo.scripted_edge import ScriptedEdge
from demo.test_page_live import PHONE, kick_off


async def test_an_address_of_a_match_that_is_not_played_says_so_and_shows_those_that_are(
    edge: ScriptedEdge, page: Page
) -> None:
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await kick_off(edge, "1", "2")
    await page.goto(f"{edge.url}#9999")
    await expect(page.locator("#unknown-match")).to_contain_text("9999")
    await expect(page.locator(".card")).to_have_count(2)
    await page.locator(".card").first.click()
    await expect(page.locator("#detail")).to_be_visible()
    await expect(page.locator("#unknown-match")).to_have_count(0)


async def test_the_browsers_back_and_forward_close_and_open_a_match_on_a_phone(edge: ScriptedEdge, page: Page) -> None:
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await kick_off(edge, "1", "2")
    await page.goto(edge.url)
    cards = page.locator(".card")
    await cards.nth(1).click()
    await expect(page.locator("#detail")).to_be_visible()
    await page.go_back()
    await expect(cards.nth(1)).to_be_visible()
    await expect(page.locator("#detail")).to_be_hidden()
    await expect(cards.nth(1)).to_be_focused()
    await page.go_forward()
    await expect(page.locator("#detail")).to_be_visible()
    await page.reload()
    await expect(page.locator("#detail")).to_be_visible()
    assert len(edge.subscribes("match:2")) == 3
    assert edge.subscribes("match:1") == []
