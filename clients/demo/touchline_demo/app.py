"""``touchline demo``: one process with a log in memory, matches that are played, a site that shows them, and a game.

It is the product as it stands: a `Node` whose control plane also serves the page, a player that publishes like any
producer, a game that reads what players do, and cheatwatch, which judges it. Nothing is simplified for the demo.

    page, bots ─► edge ─► player-actions ─► game ─► cheer:<match> ─► edge ─► every page
                   ▲             └────────► cheatwatch ─► cheatwatch:demo ─► edge ─► every page
                   └───── cheat-verdicts ◄──────┘
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from touchline_server.cli.options import websocket_url
from touchline_server.config.settings import Settings
from touchline_server.control.answers import ApiError, json_response
from touchline_server.core.log import Entry, Position
from touchline_server.new_events import NewEvent
from touchline_server.node.node import Node

from .bots import Bots, BotsBusy, quiet_sdk
from .forms import BotForm, TokenForm, read_form
from .game import Game
from .matches.stats import with_stats
from .matches.timeline import Timed
from .panel import Panel
from .playback import Report, play
from .readers import OwnActions, OwnEvents, OwnVerdicts
from .referee import make_referee
from .schedule import Schedule
from .settings import CHEER, demo_settings
from .site_files import SiteFiles
from .tokens import TokenIssuer


class Demo:
    """A node, its page, the matches that are played into it, the game and its referee."""

    def __init__(self, settings: Settings, schedule: Schedule) -> None:
        settings = demo_settings(settings)
        self._schedule = schedule
        # Ids of invented matches count up, and each match replaces the oldest: the newest ones are being played.
        self._matches: deque[str] = deque(maxlen=schedule.matches)
        played, judged = (OwnActions(settings.actions.topic) for _ in range(2))
        events = OwnEvents({CHEER: settings.feeds[CHEER]})  # players cannot act anywhere else
        verdicts = OwnVerdicts(settings.verdicts.topic, self._append)
        panel = Panel(self._publish)
        self.node = Node(
            settings,
            extra_routes=self._routes(),
            extra_topics=[settings.actions.topic],
            observers=[reader.observe for reader in (played, judged, events, verdicts)],
        )
        assert self.node.verifier is not None  # noqa: S101 - there is a secret
        self._tokens = TokenIssuer(settings.auth, self.node.verifier.verify)
        self._bots = Bots(self._tokens.token, self._edge_url, panel)
        game = Game(played, self._publish, on=lambda: self._matches, watched=self._is_watched)
        self._parts = (self._play, game.run, panel.run, make_referee(judged, events, verdicts, panel).run)

    async def run(self) -> None:
        """Run everything but the node, which must have been started, until cancelled or until something fails."""
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
        """Play the matches. Invented ones never end."""
        report = Report(published=lambda _count: None, waiting=lambda _why: None)
        await play(self._tracked(), self.node, report, speed=self._schedule.speed)

    def _tracked(self) -> Iterator[Timed]:
        """The timeline; keeps track of the matches that are being played."""
        for item in with_stats(self._schedule.timeline):
            if item.room_id not in self._matches:
                self._matches.append(item.room_id)
            yield item

    async def _append(self, topic: str, entries: Sequence[Entry]) -> None:
        await self.node.log.append(topic, entries)

    async def _publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        return await self.node.publish(room, events)

    def _is_watched(self, room: str) -> bool:
        return self.node.viewers(room) > 0

    def _edge_url(self) -> str:
        return websocket_url(self.node.settings.host, self.node.edge_port)

    def _routes(self) -> list[BaseRoute]:
        return [
            Route("/demo.json", self._configuration),
            Route("/demo/token", self._token, methods=["POST"]),
            Route("/demo/bots", self._start_bot, methods=["POST"]),
            Mount("/", SiteFiles(lambda: self.node.edge_port)),
        ]

    async def _configuration(self, _request: Request) -> Response:
        return json_response(
            {
                "ws_port": self.node.edge_port,
                "matches": sorted(self._matches),
                "attribution": self._schedule.attribution,
            }
        )

    async def _token(self, request: Request) -> Response:
        """A token for a new player with an invented name, or a newer one for the player of ``token``."""
        form = await read_form(request, TokenForm)
        player = self._tokens.player_of(form.token) if form.token else None
        return json_response({"token": self._tokens.token(player or self._tokens.new_player())})

    async def _start_bot(self, request: Request) -> Response:
        form = await read_form(request, BotForm)
        if form.match not in self._matches:
            raise ApiError(404, "unknown_match", f"no match {form.match!r:.40} is being played")
        try:
            player = self._bots.start(form.cheat, form.match)
        except BotsBusy as error:
            raise ApiError(429, error.code, str(error), headers={"Retry-After": "1"}) from None
        return json_response({"player": player}, 201)


async def run_demo(schedule: Schedule, settings: Settings, ready: Callable[[Node], None]) -> None:
    """Run the demo until cancelled. ``ready`` is called once the page can be opened."""
    demo = Demo(settings, schedule)
    try:
        await demo.node.start()
        ready(demo.node)
        await demo.run()
    finally:
        await demo.node.stop()
