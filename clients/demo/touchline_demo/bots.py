"""Bots that cheat, so that a visitor can see them being caught. Each is a client of the SDK on a real WebSocket.

They are bounded: `BOTS_MAX` at once, one new bot per `START_S`, and no bot plays longer than `BOT_S_MAX`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import touchline
from touchline.errors import ActionRefused, ConnectionRefused, TouchlineError
from touchline_protocol.codes import BANNED

from .panel import PUBLISH_S, Panel
from .settings import CHEER, TAP, WAVE

BOTS_MAX = 3
START_S = 1.0
BOT_S_MAX = 60.0
"""The cheat that takes longest to detect is detected within half of it."""
SHOWN_S = 30.0
"""How long the page still shows how a bot ended."""

FAST_S = 0.04
"""25 taps a second: twice what a person can do, and below the edge's limit for one player."""
STEADY_S = 0.125
"""8 taps a second: a human rate, but exact to the millisecond."""


class Cheat(NamedTuple):
    """A way to cheat: its title on the page, and what a bot does."""

    title: str
    play: "Callable[[Bot], Awaitable[None]]"


class BotsBusy(Exception):
    """No bot can be started now. ``code`` and message say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Bot:
    """One bot: what it has done so far, and how it ended."""

    def __init__(self, player: str, cheat: str, match_id: str, client: touchline.Client) -> None:
        self.player = player
        self.cheat = cheat
        self.room = f"{CHEER}:{match_id}"
        self.client = client
        self.done = 0
        self.refused = 0
        self.ended: str | None = None
        self.close_code: int | None = None

    async def act(self, kind: str, data: dict[str, object]) -> None:
        """Act. A bot does not care whether its action is refused."""
        try:
            await self.client.act(self.room, kind, data)
            self.done += 1
        except ActionRefused:
            self.refused += 1

    def shown(self) -> dict[str, object]:
        """What the page shows of the bot."""
        verdict = self.client.verdict
        return {
            "player": self.player,
            "cheat": self.cheat,
            "done": self.done,
            "refused": self.refused,
            "verdict": None if verdict is None else {"kind": verdict.kind, "until": verdict.until},
            "ended": self.ended,
            "close": self.close_code,
        }


async def _tap_every(bot: Bot, period_s: float) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in count():
        await asyncio.sleep(start + number * period_s - loop.time())
        await bot.act(TAP, {"team": "away"})


async def _join_waves(bot: Bot) -> None:
    async for event in bot.client.subscribe(bot.room):
        if event.key == WAVE:
            await bot.act(WAVE, {"offset": event.offset})


CHEATS = {
    "fast": Cheat("taps too fast", lambda bot: _tap_every(bot, FAST_S)),
    "steady": Cheat("taps like clockwork", lambda bot: _tap_every(bot, STEADY_S)),
    "reflexes": Cheat("joins waves instantly", _join_waves),
}


class Bots:
    """Starts bots and shows how they fare. ``token`` makes a player's token; ``url`` is known once the edge runs."""

    def __init__(self, token: Callable[[str], str], url: Callable[[], str], panel: Panel) -> None:
        self._token = token
        self._url = url
        self._panel = panel
        self._numbers = count(1)
        self._playing: set[str] = set()
        self._started_s = -START_S
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, cheat: str, match_id: str) -> str:
        """Start a bot; returns its name. ``cheat`` is a key of `CHEATS`.

        Raises:
            BotsBusy: too many bots are playing, or one was started a moment ago.
        """
        now_s = time.monotonic()
        if len(self._playing) >= BOTS_MAX:
            raise BotsBusy("too_many_bots", f"{BOTS_MAX} bots are already playing: wait until they are caught")
        if now_s - self._started_s < START_S:
            raise BotsBusy("too_soon", "a bot was started a moment ago: wait a second")
        self._started_s = now_s
        player = f"bot-{cheat}-{next(self._numbers)}"
        self._playing.add(player)
        task = asyncio.create_task(self._run(player, cheat, match_id), name=player)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return player

    async def stop(self) -> None:
        """Stop all bots."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, player: str, cheat: str, match_id: str) -> None:
        client = touchline.connect(self._url(), token=self._token(player), agent="touchline-demo-bot", proxy=False)
        bot = Bot(player, CHEATS[cheat].title, match_id, client)
        try:
            async with self._showing(bot):
                await self._play(bot, CHEATS[cheat])
        finally:
            self._playing.discard(player)
        await asyncio.sleep(SHOWN_S)
        self._panel.show(f"bot.{player}", None)

    async def _play(self, bot: Bot, cheat: Cheat) -> None:
        try:
            async with asyncio.timeout(BOT_S_MAX), bot.client:
                await cheat.play(bot)
        except TimeoutError:
            bot.ended = "it gave up"
        except ConnectionRefused as error:
            bot.close_code = error.code if isinstance(error.code, int) else None
            bot.ended = BANNED.name if error.code == BANNED.code else str(error)
        except TouchlineError as error:
            bot.ended = str(error)

    @asynccontextmanager
    async def _showing(self, bot: Bot) -> AsyncIterator[None]:
        """Show a bot while it plays, and how it ended."""

        async def show() -> None:
            while True:
                self._panel.show(f"bot.{bot.player}", bot.shown())
                await asyncio.sleep(PUBLISH_S)

        showing = asyncio.create_task(show())
        try:
            yield
        finally:
            showing.cancel()
            self._panel.show(f"bot.{bot.player}", bot.shown())


@contextmanager
def quiet_sdk() -> Iterator[None]:
    """Keep the SDK's messages about bots out of the terminal: they look like errors, and the page shows them better."""
    log = logging.getLogger(touchline.__name__)
    log.addFilter(_is_not_of_the_sdk)
    try:
        yield
    finally:
        log.removeFilter(_is_not_of_the_sdk)


def _is_not_of_the_sdk(record: logging.LogRecord) -> bool:
    return not Path(record.pathname).is_relative_to(Path(touchline.__file__).parent)
