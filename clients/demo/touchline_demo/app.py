"""``touchline demo``: one process with a log in memory, matches that are played, a page that shows them, and a game.

It is the product as it stands: a `Node` whose control plane serves the page too, a player that publishes as any
producer would, a game that reads what players do, and cheatwatch, which judges it. Nothing is made simpler for it.

    page, bots ─► edge ─► player-actions ─► game ─► cheer:<match> ─► edge ─► every page
                   ▲             └────────► cheatwatch ─► cheatwatch:demo ─► edge ─► every page
                   └───── cheat-verdicts ◄──────┘
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from touchline_server.config.settings import Settings
from touchline_server.control.answers import ApiError, json_response
from touchline_server.core.log import Entry, Position
from touchline_server.new_events import NewEvent
from touchline_server.node.node import Node

from .bots import Bots, BotsBusy, quiet_sdk
from .forms import BotForm, TokenForm, read_form
from .game import Game
from .matches.simulator import FIRST_MATCH_ID, simulate_under_way
from .matches.statsbomb import ATTRIBUTION, read_match
from .matches.timeline import Timed
from .panel import Panel
from .playback import Report, play
from .readers import OwnActions, OwnEvents, OwnVerdicts
from .referee import make_watch
from .settings import CHEER, demo_settings
from .tokens import TokenOffice

PAGE = Path(__file__).parent / "page"

REPLAY_SPEED = 20.0
"""A real match of 93 minutes takes under 5: long enough to watch, short enough to see its goals."""

REPLAY_PAUSE_S = 20.0
"""Between the end of a replayed match and its next beginning: time to read the result. In seconds of the demo."""

SEED = 7
"""The made-up matches are the same at every start, so that two people see the same."""


class Programme(NamedTuple):
    """What the demo plays: a timeline, how much faster than its own time, how many matches at once, and whose data."""

    timeline: Iterator[Timed]
    speed: float
    matches: int
    newest_match: str
    attribution: str | None = None
    notes: Sequence[str] = ()


class Demo:
    """A node, its page, the matches that are played into it, the game and its referee."""

    def __init__(self, settings: Settings, programme: Programme) -> None:
        settings = demo_settings(settings)
        self._programme = programme
        # Ids of made-up matches count up and each match replaces the oldest: the newest are those that are on.
        self._matches: deque[str] = deque(maxlen=programme.matches)
        played, judged = (OwnActions(settings.actions.topic) for _ in range(2))
        events = OwnEvents({CHEER: settings.feeds[CHEER]}, _now_ms)  # nobody can act elsewhere
        verdicts = OwnVerdicts(settings.verdicts.topic, self._append)
        panel = Panel(self._publish)
        self.node = Node(
            settings,
            extra_routes=self._routes(),
            extra_topics=[settings.actions.topic],
            observers=[reader.observe for reader in (played, judged, events, verdicts)],
        )
        assert self.node.verifier is not None  # noqa: S101 - there is a secret
        self._tokens = TokenOffice(settings.auth, self.node.verifier.verify)
        self._bots = Bots(self._tokens.token, self._edge_url, panel)
        game = Game(played, self._publish, on=lambda: self._matches, watched=self._is_watched)
        self._parts = (self._play, game.run, panel.run, make_watch(judged, events, verdicts, panel).run)

    async def run(self) -> None:
        """Run all that is not the node, which has to be started, until cancelled or something fails."""
        with quiet_sdk():
            tasks = [asyncio.ensure_future(part()) for part in (*self._parts, self.node.failed)]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await self._bots.stop()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _play(self) -> None:
        """Play the matches; those that are made up never end."""
        report = Report(published=lambda _count: None, waiting=lambda _why: None)
        await play(self._noted(), self.node, report, speed=self._programme.speed)

    def _noted(self) -> Iterator[Timed]:
        for item in self._programme.timeline:
            if item.room_id not in self._matches:
                self._matches.append(item.room_id)
            yield item

    async def _append(self, topic: str, entries: Sequence[Entry]) -> None:
        await self.node.log.append(topic, entries)

    async def _publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        return await self.node.publish(room, events)

    def _is_watched(self, room: str) -> bool:
        state = self.node.room_state(room)
        return state is not None and state.viewers > 0

    def _edge_url(self) -> str:
        host = self.node.settings.host
        reached = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound to
        return f"ws://{f'[{reached}]' if ':' in reached else reached}:{self.node.edge_port}/ws"

    def _routes(self) -> list[BaseRoute]:
        return [
            Route("/demo.json", self._configuration),
            Route("/demo/token", self._token, methods=["POST"]),
            Route("/demo/bots", self._start_bot, methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ]

    async def _configuration(self, _request: Request) -> Response:
        return json_response(
            {
                "ws_port": self.node.edge_port,
                "matches": sorted(self._matches),
                "attribution": self._programme.attribution,
            }
        )

    async def _token(self, request: Request) -> Response:
        """A token for a player with a made-up name, or a newer one for whose ``token`` is handed in."""
        asked = await read_form(request, TokenForm)
        player = self._tokens.player_of(asked.token) if asked.token else None
        return json_response({"token": self._tokens.token(player or self._tokens.new_player())})

    async def _start_bot(self, request: Request) -> Response:
        asked = await read_form(request, BotForm)
        if asked.match not in self._matches:
            raise ApiError(404, "unknown_match", f"no match {asked.match!r:.40} is on")
        try:
            player = self._bots.start(asked.way, asked.match)
        except BotsBusy as error:
            raise ApiError(429, "bots_busy", str(error), headers={"Retry-After": "1"}) from None
        return json_response({"player": player}, 201)


def made_up(matches: int, rate: float) -> Programme:
    """Matches that were never played. All are on from the start: what was before the last kick-off is history.

    Raises:
        OperatorError: numbers that no match can be played with.
    """
    newest = str(FIRST_MATCH_ID + matches - 1)
    return Programme(chain(*simulate_under_way(matches, rate, SEED)), speed=1.0, matches=matches, newest_match=newest)


def replayed(file: Path) -> Programme:
    """A real match, over and over.

    Raises:
        OperatorError: the file holds no match.
    """
    match = read_match(file)
    items = list(match.timeline)
    length_s = items[-1].due_s + REPLAY_PAUSE_S * REPLAY_SPEED
    rounds = (round_ * length_s for round_ in count())
    timeline = chain.from_iterable((item._replace(due_s=start_s + item.due_s) for item in items) for start_s in rounds)
    return Programme(timeline, REPLAY_SPEED, 1, match.match_id, ATTRIBUTION, match.notes)


async def run_demo(programme: Programme, settings: Settings, ready: Callable[[Node], None]) -> None:
    """Run the demo until it is cancelled; ``ready`` is called once the page can be opened."""
    demo = Demo(settings, programme)
    try:
        await demo.node.start()
        ready(demo.node)
        await demo.run()
    finally:
        await demo.node.stop()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
