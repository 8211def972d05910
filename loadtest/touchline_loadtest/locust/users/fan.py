"""A fan: watches a few rooms, leaves, and comes back."""

from typing import ClassVar

import gevent
from locust import task
from locust.env import Environment

from touchline.errors import ConnectionFailed, RoomRefused
from touchline_loadtest.locust.behaviour.times import long_tail_s
from touchline_loadtest.locust.connection.client import Client
from touchline_loadtest.locust.observe.findings import REFUSED_ROOM, Finding
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver

from .base import TouchlineUser


class Fan(TouchlineUser):
    """Watches 1 to 5 rooms for a while, leaves, and comes back to the same rooms with its cursors."""

    deliver: ClassVar[Deliver] = "all"
    faithful: ClassVar[float] = 0.8
    """The share of returns that go to the same rooms; the others choose rooms again."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.cursors: dict[str, Cursor] = {}
        self.client: Client | None = None

    def wait_time(self) -> float:
        """How long to stay away, in seconds."""
        return long_tail_s(float(self.option("away")), self.random)

    @task
    def visit(self) -> None:
        """One visit."""
        if not self.cursors or self.random.random() >= self.faithful:
            rooms = self.choice.choose(self.random.randint(*self.room_counts), self.random)
            self.cursors = {}
        else:
            rooms = list(self.cursors)
        self.client = client = self.new_client()
        try:
            client.open()
            for room in rooms:
                client.follow(room, after=self.cursors.get(room), deliver=self.deliver)
            client.wait_joined()
            self.watch(client, long_tail_s(float(self.option("stay")), self.random))
            self.cursors = client.cursors()
        except ConnectionFailed:
            self.cursors = client.cursors()  # the observer has reported why
        except RoomRefused as refused:
            self.process.stats.finding(self.name, Finding(REFUSED_ROOM, refused.code, refused.room))
            self.cursors = {}
        finally:
            client.close()
            self.client = None

    def watch(self, client: Client, seconds: float) -> None:
        """What the fan does while in its rooms."""
        gevent.sleep(seconds)

    def on_stop(self) -> None:
        """Leave properly."""
        if self.client is not None:
            self.client.close()
