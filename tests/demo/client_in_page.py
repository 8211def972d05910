"""The page's client alone, in a real browser: tests call it and see what it reports.

The browser's clock stands still except for `pass_ms`, and all its random numbers are 0.5. So waits are known to the
millisecond, and no test waits for them. Sockets are real.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page

from demo.scripted_edge import DEADLINE_S, ScriptedEdge
from support.browser import open_page

CHANCE = 0.5

Report = list[Any]
"""A call of a handler: its name and its arguments, without undefined ones."""

START = """async ([url, player]) => {
  const { Touchline } = await import("/touchline.js");
  const kinds = ["status", "reset", "event", "gap", "healed", "refused", "player", "verdict"];
  window.reports = [];
  window.tokens = [];
  window.player = player;
  const getToken = async (before) => {
    tokens.push(before);
    return window.player;
  };
  window.act = (data) =>
    client.act("cheer:1", "tap", data).then(
      (id) => reports.push(["done", data, id]),
      (error) => reports.push(["failed", data, error.code]),
    );
  const report = (kind) => [kind, (...args) => reports.push([kind, ...args.filter((it) => it !== undefined)])];
  window.client = new Touchline(url, Object.fromEntries(kinds.map(report)), player ? { getToken } : {});
}"""


class ClientInPage:
    """A `Touchline` that reports to the test."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def join(self, room: str, **options: Any) -> None:
        """Join, and wait until the client got the answer."""
        await self.page.evaluate("([room, options]) => client.join(room, options)", [room, options])
        answers = ("reset", "refused")
        await self.until(lambda reports: any(kind in answers and args[0] == room for kind, *args in reports))

    async def act(self, *data: Any) -> None:
        """Act once for each of ``data``. The results are reported as done with the id, or as failed with a code."""
        await self.page.evaluate("all => all.forEach((data) => act(data))", list(data))

    async def outcomes(self, number: int) -> list[Report]:
        """Wait for the results of this many actions."""
        await self.until(lambda reports: len([1 for report in reports if report[0] in {"done", "failed"}]) >= number)
        return await self.reports("done", "failed")

    async def reports(self, *kinds: str) -> list[Report]:
        """The reports so far of these kinds."""
        said: list[Report] = await self.page.evaluate("reports")
        return [report for report in said if not kinds or report[0] in kinds]

    async def events(self) -> list[Any]:
        """The data of the events that it delivered."""
        return [event["data"] for _, event, _ in await self.reports("event")]

    async def waits_ms(self) -> list[int]:
        """How long it waited before each attempt but the first."""
        statuses = await self.reports("status")
        return [round(details[0]) for _, state, *details in statuses if state == "waiting"]

    async def status(self) -> str:
        """The last status that it reported."""
        return str((await self.reports("status"))[-1][1])

    async def until(self, is_so: Callable[[list[Report]], bool]) -> None:
        """Wait until the reports satisfy ``is_so``."""
        async with asyncio.timeout(DEADLINE_S):
            while not is_so(await self.reports()):  # noqa: ASYNC110 - the reports are in another process
                await asyncio.sleep(0.01)

    async def until_status(self, state: str) -> None:
        """Wait until its status is ``state``."""
        await self.until(lambda reports: [report[1] for report in reports if report[0] == "status"][-1] == state)

    async def pass_ms(self, ms: int) -> None:
        """Let the client's clock advance."""
        await self.page.clock.run_for(ms)

    async def come_back(self) -> None:
        """Let it wait, then reconnect."""
        await self.until_status("waiting")
        times = times_live(await self.reports())
        await self.pass_ms((await self.waits_ms())[-1] + 1)
        await self.until(lambda reports: times_live(reports) > times)  # and it can be waiting again already


def times_live(reports: list[Report]) -> int:
    """How many connections it has had so far."""
    return reports.count(["status", "live"])


@asynccontextmanager
async def client_in_page(
    browser: Browser, edge: ScriptedEdge, player: str | None = None
) -> AsyncIterator[ClientInPage]:
    """A client that is connected to ``edge``, as ``player`` if one is given, and has not joined a room."""
    async with open_page(browser) as page:
        await page.add_init_script(f"Math.random = () => {CHANCE}")
        await page.clock.install(time=0)
        await page.goto(f"{edge.url}icon.svg")
        await page.clock.pause_at(1_000_000)
        await page.evaluate(START, [f"ws://127.0.0.1:{edge.port}/ws", player])
        client = ClientInPage(page)
        await client.until_status("live")
        yield client
