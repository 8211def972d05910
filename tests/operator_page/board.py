"""What a test sees of the operator's page, and does on it."""

from playwright.async_api import Locator, Page, expect

PHONE = {"width": 360, "height": 740}
SEEN_MS = 5000
"""How soon the page has to show what is wrong."""
DEADLINE_MS = 30_000


class Board:
    """The page ``page``, opened at a control port."""

    def __init__(self, page: Page, control_port: int) -> None:
        self.page = page
        self.url = f"http://127.0.0.1:{control_port}/ui/"

    async def open(self, *, key: str | None = None) -> None:
        await self.page.goto(self.url)
        if key is not None:
            await self.sign_in(key)
        await expect(self.page.locator("#board")).to_be_visible(timeout=DEADLINE_MS)

    async def sign_in(self, key: str) -> None:
        await self.page.fill("#key", key)
        await self.page.click("#key-form button")

    def attention(self, where: str) -> Locator:
        """The troubles in a part of the page."""
        return self.page.locator(f"#attention a[href='#{where}']")

    def row(self, part: str, text: str) -> Locator:
        """The row of a table that has a text."""
        return self.page.locator(f"#{part} tbody tr").filter(has_text=text)

    async def overflow_px(self) -> int:
        """Measure by how much the page is wider than the screen."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(width))
