"""Cheaters: players who act as bots do, and are to be caught."""

import contextlib
import time
from typing import Any, ClassVar

import gevent
from locust.env import Environment

from touchline.errors import TouchlineError
from touchline.session.items import Event
from touchline_loadtest.locust.behaviour.cheats import REACTIVE, Act, check_cheats, reaction, timed_acts
from touchline_loadtest.locust.connection.client import Client
from touchline_loadtest.locust.observe import rows

from .player import Player


class Cheater(Player):
    """Acts like one of cheatwatch's bots, and expects to be warned, muted or banned. Banned, it comes back as another.

    ``cheats`` are the bots to choose from, of `touchline_loadtest.locust.behaviour.cheats.CHEATS`.
    """

    weight = 2
    cheats: ClassVar[str] = "clicker,metronome"
    verdicts_expected = True
    action_row = rows.ACTION_CHEATER

    @classmethod
    def check(cls, environment: Environment) -> None:
        """Make sure that the cheats exist."""
        super().check(environment)
        check_cheats(cls.setting(environment, "cheats"))

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.cheat = self.random.choice(check_cheats(self.option("cheats")))
        self._events_seen = 0

    def watch(self, client: Client, seconds: float) -> None:
        """Cheat until it is time to leave, or the ban comes."""
        if self.cheat in REACTIVE:
            self.pause(seconds)
            return
        began_s = time.monotonic()
        for act in timed_acts(self.cheat, self.random):
            if act.at_s > seconds or client.closed:
                return
            if not self.pause(began_s + act.at_s - time.monotonic()):
                return
            gevent.spawn(self._act, client, *self.disguised(act))  # a bot does not wait for answers

    def on_event(self, event: Event) -> None:
        """React faster than anybody can."""
        if self.cheat not in REACTIVE or self.client is None:
            return
        self._events_seen += 1
        act = reaction(self.cheat, self._events_seen, self.random)
        gevent.spawn_later(act.at_s, self._act, self.client, *self.disguised(act), event.room)

    def disguised(self, act: Act) -> tuple[str, Any]:
        """A bot's action as this game has it: a tap is this player's `action`. Override it for another game."""
        return self.action() if act.kind == "tap" else (act.kind, act.data)

    def visit(self) -> None:
        """One visit. A banned player comes back under another name."""
        super().visit()
        if self.observer is not None and self.observer.banned:
            self.name = self.process.client_name(type(self).__name__)
            self.cursors = {}

    def _act(self, client: Client, kind: str, data: Any, room: str | None = None) -> None:
        with contextlib.suppress(TouchlineError):  # banned, or the visit is over
            self.act(client, kind, data, room)
