"""Bots that cheat, so that one can see them being caught: each is a client of the SDK, over a real WebSocket.

They are bounded: `BOTS_MAX` at once, one in `START_S`, and none lives longer than `BOT_S_MAX`.
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
"""The slowest way to cheat is found out within half of it."""
SHOWN_S = 30.0
"""So long one can still see how a bot ended."""

FAST_S = 0.04
"""25 taps a second: twice as many as a person makes, and below what the edge takes of a player."""
STEADY_S = 0.125
"""8 taps a second, as people do, but to the millisecond."""


class Way(NamedTuple):
    """A way to cheat: its name on the page, and what a bot does."""

    name: str
    play: "Callable[[Bot], Awaitable[None]]"


class BotsBusy(Exception):
    """No bot can be started now; the message says why."""


class Bot:
    """One bot: what it did so far, and how it ended."""

    def __init__(self, player: str, way: str, match_id: str, client: touchline.Client) -> None:
        self.player = player
        self.way = way
        self.room = f"{CHEER}:{match_id}"
        self.client = client
        self.done = 0
        self.refused = 0
        self.ended: str | None = None
        self.close_code: int | None = None

    async def act(self, kind: str, data: dict[str, object]) -> None:
        """Do something; a bot does not care whether it is refused."""
        try:
            await self.client.act(self.room, kind, data)
            self.done += 1
        except ActionRefused:
            self.refused += 1

    def shown(self) -> dict[str, object]:
        """It as the page is told."""
        verdict = self.client.verdict
        return {
            "player": self.player,
            "way": self.way,
            "done": self.done,
            "refused": self.refused,
            "verdict": None if verdict is None else {"kind": verdict.kind, "until": verdict.until},
            "ended": self.ended,
            "close": self.close_code,
        }


async def _tap_every(bot: Bot, period_s: float) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in count():
        await asyncio.sleep(begun + number * period_s - loop.time())
        await bot.act(TAP, {"team": "away"})


async def _join_waves(bot: Bot) -> None:
    async for event in bot.client.subscribe(bot.room):
        if event.key == WAVE:
            await bot.act(WAVE, {"offset": event.offset})


WAYS = {
    "fast": Way("taps too fast", lambda bot: _tap_every(bot, FAST_S)),
    "steady": Way("taps like clockwork", lambda bot: _tap_every(bot, STEADY_S)),
    "reflexes": Way("joins waves in no time", _join_waves),
}


class Bots:
    """Starts bots and shows how they do. ``token`` makes a token for a player; ``url`` is known once the edge is on."""

    def __init__(self, token: Callable[[str], str], url: Callable[[], str], panel: Panel) -> None:
        self._token = token
        self._url = url
        self._panel = panel
        self._numbers = count(1)
        self._playing: set[str] = set()
        self._started_s = -START_S
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, way: str, match_id: str) -> str:
        """Start a bot, and return its name.

        Raises:
            BotsBusy: there are enough of them.
        """
        now_s = time.monotonic()
        if len(self._playing) >= BOTS_MAX:
            raise BotsBusy(f"{BOTS_MAX} bots play already: wait until they are caught")
        if now_s - self._started_s < START_S:
            raise BotsBusy("a bot was started only just now: wait a second")
        self._started_s = now_s
        player = f"bot-{way}-{next(self._numbers)}"
        self._playing.add(player)
        task = asyncio.create_task(self._run(player, way, match_id), name=player)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return player

    async def stop(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, player: str, way: str, match_id: str) -> None:
        client = touchline.connect(self._url(), token=self._token(player), agent="touchline-demo-bot", proxy=False)
        bot = Bot(player, WAYS[way].name, match_id, client)
        try:
            async with self._showing(bot):
                await self._play(bot, WAYS[way])
        finally:
            self._playing.discard(player)
        await asyncio.sleep(SHOWN_S)
        self._panel.show(f"bot.{player}", None)

    async def _play(self, bot: Bot, way: Way) -> None:
        try:
            async with asyncio.timeout(BOT_S_MAX), bot.client:
                await way.play(bot)
        except TimeoutError:
            bot.ended = "it gave up"
        except ConnectionRefused as error:
            bot.close_code = error.code if isinstance(error.code, int) else None
            bot.ended = BANNED.name if error.code == BANNED.code else str(error)
        except TouchlineError as error:
            bot.ended = str(error)

    @asynccontextmanager
    async def _showing(self, bot: Bot) -> AsyncIterator[None]:
        """Show a bot while it plays, and at its end."""

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
    """What becomes of a bot is on the page; as the SDK logs it, in the terminal, it would look like a failure."""
    log = logging.getLogger(touchline.__name__)
    log.addFilter(_is_not_of_the_sdk)
    try:
        yield
    finally:
        log.removeFilter(_is_not_of_the_sdk)


def _is_not_of_the_sdk(record: logging.LogRecord) -> bool:
    return Path(record.pathname).parent != Path(touchline.__file__).parent
