"""Players: fans who act."""

import time
from itertools import count
from typing import Any, ClassVar

import gevent
import msgspec
from locust.env import Environment

from touchline.errors import ActionInDoubt, ActionRefused, ActionsFull
from touchline_loadtest.checks.actions import UNANSWERED, Acted
from touchline_loadtest.checks.values import value_of
from touchline_loadtest.clock import now_ms
from touchline_loadtest.locust.behaviour.times import long_tail_s, until_next_action_s
from touchline_loadtest.locust.connection.client import Client
from touchline_loadtest.locust.observe import rows
from touchline_loadtest.locust.observe.failures import action_failure
from touchline_loadtest.locust.plugin.options import NO_NUMBER
from touchline_protocol.codes import MUTED
from touchline_protocol.errors import OperatorError

from .fan import Fan

REACTION_S = 0.4
"""How long a person typically takes to react to a goal."""
NOT_AN_OBJECT = "the data of a recorded action has to be an object, so that it can be numbered (--action-number)"
GOAL_ACTS = 3
"""How often a player cheers at a goal, at most."""


class Player(Fan):
    """Acts ``acts_per_s`` times a second at random, and waits for each acknowledgement. Needs ``token_secret``."""

    weight = 25
    acts_per_s: ClassVar[float] = 0.5
    action_kind: ClassVar[str] = "tap"
    action_data: ClassVar[str] = '{"team":"home"}'
    """The data of an action, as JSON."""

    action_number: ClassVar[str] = "number"
    """The field that tells a player's actions from each other, where a run folder records them for the checker."""
    action_row: ClassVar[str] = rows.ACTION
    """The row of the table in which this user's actions are counted."""

    @classmethod
    def check(cls, environment: Environment) -> None:
        """Make sure that there are tokens."""
        super().check(environment)
        if not cls.setting(environment, "token_secret"):
            raise OperatorError(f"a {cls.__name__} needs a token: give the server's secret by --token-secret")

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._goals = 0
        self._numbers = count(1)

    def action(self) -> tuple[str, Any]:
        """The kind and the data of the next action. Override it for another game."""
        return self.option("action_kind"), msgspec.json.decode(self.option("action_data"))

    def watch(self, client: Client, seconds: float) -> None:
        """Watch and act."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            pause_s = until_next_action_s(float(self.option("acts_per_s")), self.random)
            if not self.pause(min(pause_s, left_s)):
                return
            goals, self._goals = self._goals, 0
            for _ in range(self.random.randint(1, GOAL_ACTS) if goals else 1):
                if goals:
                    gevent.sleep(long_tail_s(REACTION_S, self.random))
                self.act(client, *self.action())

    def act(self, client: Client, kind: str, data: Any, room: str | None = None) -> None:
        """Act in one of the rooms, and wait for the answer."""
        began_s = time.monotonic()
        stats = self.process.stats
        if self._numbers_actions and not isinstance(data, dict):
            stats.failure(self.action_row, 0.0, NOT_AN_OBJECT)
            return
        if not (rooms := client.rooms()):
            return  # the server has refused them all
        room = room or self.random.choice(rooms)
        data = self._numbered(data)
        acted = Acted(self.name, value_of(kind, data), UNANSWERED, now_ms(), room=room, kind=kind)
        self._record(acted)
        try:
            receipt = client.act(room, kind, data)
        except ActionRefused as refused:
            self._record(acted._replace(code=refused.code))
            if refused.code != MUTED.code or not self.verdicts_expected:
                stats.failure(self.action_row, (time.monotonic() - began_s) * 1000, action_failure(refused))
        except (ActionInDoubt, ActionsFull) as error:
            if client.closing:
                return  # the player did not wait for the answer
            if isinstance(error, ActionsFull) and self.verdicts_expected:
                return  # a bot acts faster than the server reads, so it could not even send this
            stats.failure(self.action_row, (time.monotonic() - began_s) * 1000, action_failure(error))
        else:
            self._record(acted._replace(code="", session=receipt.session, id=receipt.id))
            stats.duration(self.action_row, (time.monotonic() - began_s) * 1000)

    def _numbered(self, data: Any) -> Any:
        """The checker knows an action by its data, so no two of a player may be alike."""
        if not self._numbers_actions:
            return data
        return {**data, self.option("action_number"): next(self._numbers)}

    def _record(self, acted: Acted) -> None:
        if self._numbers_actions:
            self.recorder().acted(acted)

    @property
    def _numbers_actions(self) -> bool:
        return self.recorder().recording and self.option("action_number") != NO_NUMBER

    def on_goal(self) -> None:
        """Cheer."""
        self._goals += 1
        self.stir()
